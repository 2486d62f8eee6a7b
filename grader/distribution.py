"""What this installation is called. The student kit's own copy of this file names the kit."""

from __future__ import annotations

# As pip knows it: its metadata holds the version, and what the extra `experiments` needs.
NAME = "mytorch-grader"
EXPERIMENTS_COMMAND = f"pip install '{NAME}[experiments]'"
