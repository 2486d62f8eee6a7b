"""`grader.check(...)` in a notebook or a console: the same self-check, shown where it was asked for."""

from __future__ import annotations

import html
import io
import os
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from rich.console import Console

from grader.endings import sentence_of_fault
from grader.errors import GraderError
from grader.memory import require_start_memory
from grader.notebook_view import result_as_html, sentences_as_html
from grader.pipeline import Graded, zygote_for
from grader.plain_text import one_line, quiet
from grader.plan import Plan
from grader.scratch import scratch
from grader.self_check import SelfCheck, prepare_self_check
from grader.settings import read_settings
from grader.terminal import print_self_check

WIDTH = 80
SAVED = "The notebook was checked as it was last saved: what you changed since is not in it."


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """A self-check as a notebook shows it; `passed` says whether every visible check has passed.

    `text` is what `grader check` prints, `fragment` the same as HTML.
    """

    text: str
    fragment: str
    passed: bool = False

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.fragment

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return both, so that each place shows what it can; what to leave out is that place's business."""
        del include, exclude
        return {"text/plain": self.text, "text/html": self.fragment}


def check(questions: tuple[str, ...], path: str | PathLike[str] = ".") -> Shown:
    """Run a self-check of a folder; whatever goes wrong is told in one sentence, and raises nothing."""
    try:
        if not all(isinstance(name, str) for name in questions):
            return _sentences(
                f'write the questions as texts, such as grader.check("q6.1"), not {questions!r}'
            )
        require_start_memory()
        with scratch():
            prepared = prepare_self_check(read_settings(), questions)
            with zygote_for(prepared.plan, prepared.options) as zygote:
                graded = prepared.run(Path(os.fspath(path)), zygote=zygote)
        return _shown(graded, prepared)
    except GraderError as error:
        return _sentences(str(error))
    except KeyboardInterrupt:
        return _sentences("interrupted")
    except Exception as error:  # noqa: BLE001  # a cell shows no traceback of ours
        return _sentences(sentence_of_fault(error))


def _shown(graded: Graded, prepared: SelfCheck) -> Shown:
    if graded.report.status == "interrupted":
        return _sentences("interrupted")
    if graded.report.status == "rejected" and graded.error is not None:
        return _sentences(str(graded.error))
    notes = [f"grader: {one_line(str(graded.error))}"] if graded.error is not None else []
    notes += [SAVED] if prepared.plan.uses_notebook else []
    text = "\n".join([_as_text(graded, prepared.plan), *notes])
    fragment = result_as_html(graded.report, prepared.plan, unchanged=graded.unchanged, notes=notes)
    return Shown(text, fragment, passed=graded.exit_code == 0 and prepared.passes(graded))


def _as_text(graded: Graded, plan: Plan) -> str:
    stream = io.StringIO()
    # A kernel asks for colours in the environment; control characters are no text.
    console = Console(
        file=stream,
        width=WIDTH,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        markup=False,
        emoji=False,
        highlight=False,
    )
    print_self_check(console, graded.report, plan, unchanged=graded.unchanged)
    return stream.getvalue().rstrip("\n")


def _sentences(sentence: str) -> Shown:
    shown = f"grader: {quiet(one_line(sentence))}"
    return Shown(shown, sentences_as_html([html.escape(shown)]))
