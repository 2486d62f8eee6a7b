"""An untrusted zip or folder becomes a vetted Submission; no student code runs here."""

from grader.intake.layout import is_compiled
from grader.intake.limits import IntakeLimits
from grader.intake.opening import open_submission
from grader.intake.quoting import safe_name, safe_text

__all__ = ["IntakeLimits", "is_compiled", "open_submission", "safe_name", "safe_text"]
