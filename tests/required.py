"""Where a machine lacks what a test needs: skip, but fail in CI, where these tests are the point."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def not_here(reason: str) -> NoReturn:
    """Leave the test, with the reason."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    raise AssertionError
