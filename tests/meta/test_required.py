"""Where a machine lacks something, CI fails, unless the place was said to lack just that."""

from __future__ import annotations

import pytest

from tests.required import MAY_LACK, not_here

FAILED, SKIPPED = pytest.fail.Exception, pytest.skip.Exception


@pytest.mark.parametrize(
    ("ci", "may_lack", "outcome"),
    [
        ("", "", SKIPPED),
        ("true", "", FAILED),
        ("true", "bubblewrap", SKIPPED),
        ("true", "account bubblewrap", SKIPPED),
        ("true", "account", FAILED),
        ("true", "bubble", FAILED),
    ],
)
def test_what_is_lacking_fails_in_ci_unless_the_place_may_lack_it(ci, may_lack, outcome, monkeypatch):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv(MAY_LACK, may_lack)
    with pytest.raises(outcome, match="no namespaces"):
        not_here("bubblewrap: no namespaces here")
