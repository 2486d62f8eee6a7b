"""What docs/places.md shows: commands, and the recipe for GitLab."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "places.md").read_text(encoding="utf-8")


def shown_commands() -> list[str]:
    """Return the lines of all blocks of shell, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def recipe_of_gitlab() -> str:
    """Return the page's .gitlab-ci.yml."""
    found = re.search(r"<!-- gitlab-recipe -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]
