"""The student's own run, for every place that offers it: the command line, a notebook, an editor's tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grader import pipeline
from grader.circumstances import circumstances
from grader.model import Outcome
from grader.plan import Plan
from grader.remembered import Remembered
from grader.sandbox.machine import processors_each
from grader.session import Event
from grader.settings import Settings, default_cache_dir

if TYPE_CHECKING:
    from grader.sandbox.zygote import Zygote

CACHE_FOLDER = "self-checks"


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """Which questions are checked, and how; made once, run as often as files change."""

    options: pipeline.GradeOptions
    plan: Plan
    remembered: Remembered

    def run(
        self,
        path: Path,
        *,
        zygote: Zygote | None = None,
        on_event: Callable[[Event], None] = lambda _: None,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> pipeline.Graded:
        """Check what is in the folder now; what has not changed since an earlier run is not run again."""
        return pipeline.grade(
            path,
            self.options,
            plan=self.plan,
            on_event=on_event,
            zygote=zygote,
            remembered=self.remembered,
            meanwhile=meanwhile,
        )

    def passes(self, graded: pipeline.Graded) -> bool:
        """Say whether every visible check that was asked for has passed."""
        checks = [check for question in graded.report.questions for check in question.checks]
        return all(check.outcome is Outcome.PASSED for check in checks)


def prepare_self_check(
    settings: Settings,
    questions: tuple[str, ...] = (),
    *,
    profile: str | None = None,
    sandbox: str = "",
    data_dir: Path | None = None,
    fresh: bool = False,
    asks_time: bool = False,
) -> SelfCheck:
    """Find what is wrong with the call; with `fresh`, everything will be run, changed or not.

    With `asks_time` the worker says how long the student's code took.
    """
    options = pipeline.GradeOptions(
        assignment=pipeline.HW1,
        questions=questions,
        profile=profile or settings.profile,
        sandbox=sandbox or settings.sandbox,
        min_isolation=1,
        data_dir=data_dir or settings.data_dir,
        visible_only=True,
        processors=processors_each(),
        asks_time=asks_time,
    )
    plan = pipeline.prepare(options)
    folder = default_cache_dir() / CACHE_FOLDER
    about = {**circumstances(options, plan), "data_dir": str(options.data_dir)}
    return SelfCheck(options, plan, Remembered(folder, about, recalls=not fresh))
