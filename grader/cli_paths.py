"""What the paths of a command line mean: where each report goes, and what is a path at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from grader.errors import UsageError


def output_folders(submissions: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Return the folder of each submission's report: `out`, or one below it each where there are several.

    Submissions of the same name get as many of their parent folders' names as it takes to tell them apart.
    """
    if len(submissions) == 1:
        return {submissions[0]: out}
    paths = {path: path.resolve() for path in submissions}
    if len(set(paths.values())) < len(submissions):
        raise UsageError("the same submission was given twice")
    names = {path: _name_at(real, 1) for path, real in paths.items()}
    for depth in range(2, max(len(real.parts) for real in paths.values()) + 1):
        folded = [name.casefold() for name in names.values()]
        for path in [path for path, name in names.items() if folded.count(name.casefold()) > 1]:
            names[path] = _name_at(paths[path], depth)
    if len({name.casefold() for name in names.values()}) < len(names):
        raise UsageError("two submissions have names that cannot be told apart; grade them one by one")
    return {path: out / name for path, name in names.items()}


def split_check_arguments(arguments: Sequence[str]) -> tuple[Path, tuple[str, ...]]:
    """Tell the path from the questions: `check`, `check q6.1`, `check my_work q6.1 q6.2`."""
    is_question = re.compile(r"q[0-9]+(\.[0-9]+)?", re.IGNORECASE).fullmatch
    if arguments and not is_question(arguments[0]):
        return Path(arguments[0]), tuple(arguments[1:])
    return Path(), tuple(arguments)


def _name_at(real: Path, depth: int) -> str:
    from grader.intake import safe_name  # noqa: PLC0415 -- only where a name is needed

    parts = [part for part in real.parts[-depth:] if part != real.anchor]
    name = "-".join(parts)
    return safe_name(name[:-4] if name.lower().endswith(".zip") else name)
