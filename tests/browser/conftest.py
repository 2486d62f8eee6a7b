"""A headless Chromium, where this machine has one, and what it tells of a page."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.required import not_here

# Debian's packages `chromium` and `chromium-driver`.
BROWSER, DRIVER = "chromium", "chromedriver"
PACKAGES = ("selenium", "axe_core_python", "pypdf")
ARGUMENTS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
)


@dataclass(frozen=True)
class Browser:
    """A browser with one page open."""

    driver: Any

    def show(self, page: Path, *, width: int = 1200, scheme: str = "light", media: str = "") -> None:
        """Open a page at a width, in light or dark, for the screen or for print."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", {"media": media, "features": features})
        self.told()  # what other pages did
        self.driver.get(page.as_uri())

    def ask(self, script: str) -> Any:
        """Return what a script of ours finds in the page; the page's own policy does not hold for it."""
        return self.driver.execute_script(script)

    def command(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(name, arguments)
        return answer

    def open_all(self) -> None:
        self.ask("document.querySelectorAll('details').forEach(each => { each.open = true; })")

    def told(self) -> list[str]:
        """Return what the console says, and what was asked of a network, since the last call."""
        console = [entry["message"] for entry in self.driver.get_log("browser")]
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return console + [address for address in asked if not address.startswith("data:")]

    def printed(self) -> bytes:
        """Return the page as a PDF on A4."""
        paper = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": False}
        return base64.b64decode(self.command("Page.printToPDF", paper)["data"])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if missing := [name for name in (BROWSER, DRIVER) if shutil.which(name) is None]:
        not_here(f"chromium: {' and '.join(missing)} cannot be found here")
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        not_here(f"chromium: {', '.join(missing)} cannot be imported here")
    from selenium import webdriver  # noqa: PLC0415 -- which is looked for above

    options = webdriver.ChromeOptions()
    for argument in ARGUMENTS:
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # which Chromium refuses to do without for root
    options.binary_location = shutil.which(BROWSER)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which(DRIVER)))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
