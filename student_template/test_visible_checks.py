"""Show the visible checks in your editor's test view, or with `pytest` in this folder.

Each check is one test. Nothing here is graded, and you need not hand it in; `grader check` says the same.
"""

from pathlib import Path

from grader.editor_tests import visible_check_tests

test_visible_check = visible_check_tests(Path(__file__).parent)
