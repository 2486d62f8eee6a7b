"""No limit and no duration depends on a clock that can be set."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "grader"
SETTABLE = {
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime"},
    "datetime": {"now", "utcnow", "today", "fromtimestamp", "utcfromtimestamp"},
    "date": {"today", "fromtimestamp"},
}
# What tells the time of day: when a grading started, when a person gave a mark, when work was handed in.
ALLOWED = {
    ("pipeline.py", "_Clock", "datetime.now"),
    ("marks.py", "_now", "datetime.now"),
    ("selection.py", "_handed_in", "datetime.fromtimestamp"),  # of a file that was handed in
}


def uses(path: Path) -> list[tuple[str, str, str]]:
    """Return (file, class or function at the top, call) of each look at a clock that can be set."""
    found = []
    for top in ast.parse(path.read_text(encoding="utf-8")).body:
        for node in ast.walk(top):
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                taken = [alias.name for alias in node.names if alias.name in SETTABLE["time"]]
                found += [(path.name, "import", f"time.{name}") for name in taken]
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                if node.attr in SETTABLE.get(owner, ()):
                    found.append((path.name, getattr(top, "name", ""), f"{owner}.{node.attr}"))
    return found


def test_only_the_time_of_a_grading_and_of_a_mark_is_read_from_a_clock_that_can_be_set():
    found = {use for path in PACKAGE.rglob("*.py") for use in uses(path)}
    assert found == ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "import time\ndef f():\n    return time.time()",
        "from time import time\ndef f():\n    return time()",
        "import datetime\ndef f():\n    return datetime.datetime.now()",
        "from datetime import date\ndef f():\n    return date.today()",
        "import time\nclass C:\n    def f(self):\n        return self.limit < time.time_ns()",
    ],
)
def test_every_way_to_read_such_a_clock_is_seen(source, tmp_path):
    (tmp_path / "module.py").write_text(source, encoding="utf-8")
    assert uses(tmp_path / "module.py")
