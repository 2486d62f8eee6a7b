"""Replay a notebook: its cells in order in a sandboxed worker, and what each question left, as data."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from grader.errors import (
    CheckFailed,
    MachineFault,
    StudentExited,
    StudentFault,
    StudentOutOfMemory,
    StudentRaised,
    StudentTimedOut,
    another_of,
)
from grader.notebooks.cells import CodeCell, code_cells, last_positions, needed_for
from grader.notebooks.driver import CellDriver
from grader.notebooks.figures import Axes, Figure, read_figures
from grader.notebooks.kernel import Executed, Harvested, ModelFacts, NotebookStudent
from grader.notebooks.reading import Cell, UnreadableNotebook, read_cells
from grader.remote import RemoteObject, Unsupported, Value
from grader.sandbox.command import Notebook
from grader.sandbox.forked import ZygoteClient
from grader.sandbox.policy import Policy
from grader.sandbox.usage import holds_more
from grader.scratch import PASSED_THROUGH, remove_tree

__all__ = [
    "Axes",
    "CellOutcome",
    "CellRun",
    "Figure",
    "Harvest",
    "ModelFacts",
    "NotebookWork",
    "Replay",
    "ReplayOptions",
]

VIEW = "experiments"
MAX_PRINTED = 64_000  # characters of one cell
FOLDER_MODE, FILE_MODE = 0o755, 0o644
# After a worker was lost: how often everything before is run again, and which cells are cheap enough later.
FULL_RERUNS = 2
MAX_DEATHS = 10  # starting a worker takes seconds, which no limit on the cells' own time counts
CHEAP_CELL_S = 5.0
HARVEST_S = 60.0


class CellOutcome(StrEnum):
    """What became of one cell."""

    OK = "ok"
    RAISED = "raised"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    MEMORY = "memory"
    EXITED = "exited"
    NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True)
class CellRun:
    """One cell as it was replayed; `message` is one sentence, and empty where all is well.

    `position` counts all cells of the notebook from 0. `printed` is standard output and error and the text of
    results, `notebook_outputs` are outputs as nbformat keeps them; both are cut where they are long.
    """

    position: int
    source: str
    questions: tuple[str, ...]
    outcome: CellOutcome
    message: str = ""
    seconds: float = 0.0
    printed: str = ""
    figures: tuple[Figure, ...] = ()
    notebook_outputs: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookWork:
    """What is to be replayed: the notebook, the folder it lies in, and what is known of its questions.

    `questions` are the assignment's, in order; `names` is what each leaves behind; `wanted` are those asked
    for: with fewer than all that have cells, only what they need is run.
    """

    notebook: bytes
    root: Path
    questions: Sequence[str]
    names: Mapping[str, Collection[str]]
    wanted: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """Under what a notebook is replayed; `notify` is told of each cell before it runs."""

    provider: str
    min_isolation: int
    policy: Policy
    data: Path | None
    fast_data: bool = True
    devices: tuple[str, ...] = ()
    seed: int = 0
    threads: int = 1
    zygote: ZygoteClient | None = None
    notify: Callable[[str], None] = lambda _: None


class Harvest:
    """What a question left behind: values by name as they were after its last cell, and what was shown."""

    def __init__(
        self,
        question: str,
        cells: tuple[CellRun, ...],
        kept: Harvested,
        student: NotebookStudent,
        others: Collection[str] = (),
    ) -> None:
        self.question = question
        self.cells = cells
        self.figures = tuple(figure for cell in cells for figure in cell.figures)
        self.printed = "".join(cell.printed for cell in cells)
        self._kept = kept
        self._student = student
        self._others = others  # names that other questions leave behind, too

    def has(self, name: str) -> bool:
        """Say whether a name is defined, as something other than the `...` of the starter."""
        kept = self._kept
        if self._is_left_over(name):
            return False
        return name in kept.later or (name in kept.values and not _is_ellipsis(kept.values[name]))

    def value(self, name: str) -> Value:
        """Return a value: plain data and arrays as they are, all else as an object that stays there."""
        kept, place = self._kept, self.question.upper()
        is_left_over = self._is_left_over(name)
        if name in kept.later and not is_left_over:
            return self._fetched(name)
        if name not in kept.values or is_left_over:
            raise CheckFailed(f"after {place} there is no `{name}`{self._why()}")
        value = kept.values[name]
        if _is_ellipsis(value):
            raise CheckFailed(f"after {place} `{name}` is still the `...` of the starter")
        if isinstance(value, Unsupported):
            raise CheckFailed(f"after {place} `{name}` is {value.description}, which cannot be looked at")
        if isinstance(value, RemoteObject):
            value.type_name = name
        return value

    def _fetched(self, name: str) -> Value:
        if self._kept.life != self._student.life:
            raise StudentFault(f"`{name}` was lost when the worker that held it ended")
        value = self._student.fetch(self.question, name)
        if isinstance(value, RemoteObject):
            value.type_name = name
        self._kept.values[name] = value
        self._kept.later = self._kept.later - {name}
        return value

    def _is_left_over(self, name: str) -> bool:
        """Say whether a name is an earlier question's: this one's cells failed before they bound it."""
        failed = any(cell.outcome is not CellOutcome.OK for cell in self.cells)
        return failed and name in self._others and name not in self._kept.bound

    def _why(self) -> str:
        """Name the cell that failed, where that explains a missing name."""
        failed = next((cell for cell in self.cells if cell.outcome is not CellOutcome.OK), None)
        return f", for {failed.message}" if failed is not None and failed.message else ""


class Replay:
    """A notebook that was replayed, and the worker that still holds what it made."""

    def __init__(self, work: NotebookWork, options: ReplayOptions, *, scratch: Path) -> None:
        self._work = work
        self._options = options
        self._scratch = scratch
        self._limits = options.policy.limits
        cells = _cells_of(work)
        self.student = self._opened()
        self._all = code_cells(cells, work.questions, work.names, read_names=self.student.read_names)
        self._last = last_positions(self._all)
        self._index = {cell.position: index for index, cell in enumerate(self._all)}
        self._runs: dict[int, CellRun] = {}
        self._faults: dict[int, StudentFault] = {}
        self._kept: dict[str, Harvested] = {}
        self._spent_s = 0.0
        self._reruns_left = FULL_RERUNS
        self._deadly: set[int] = set()  # cells that cost a worker
        self._driver = CellDriver([cell.source for cell in self._all], self._execute)

    @property
    def notebook(self) -> bytes:
        """The notebook as it was handed in."""
        return self._work.notebook

    @property
    def cells(self) -> tuple[CellRun, ...]:
        """Every code cell in order; those that nobody asked for are NOT_RUN."""
        return tuple(self._runs.get(cell.position, _not_run(cell)) for cell in self._all)

    def after(self, question: str) -> Harvest:
        """Return what a question left behind; raise StudentFault where it has no cells, or left nothing."""
        if question not in self._last:
            raise CheckFailed(
                f"no cell of the notebook belongs to {question.upper()}: keep the headings of the starter"
            )
        self._revive()
        runs = tuple(run for run in self.cells if question in run.questions)
        kept = self._kept.get(question)
        if kept is None or not (kept.bound or any(run.outcome is CellOutcome.OK for run in runs)):
            raise self._fault_of(runs, question)
        others = {name for other, names in self._work.names.items() if other != question for name in names}
        return Harvest(question, runs, kept, self.student, others)

    def run(self) -> None:
        """Run the cells that are needed, in order."""
        wanted = [name for name in self._work.wanted if name in self._last]
        if set(wanted) >= {name for name in self._last if self._work.names.get(name)}:
            self._run_all(self._all)
            return
        chosen = needed_for(self._all, wanted)
        self._run_all(chosen)
        if any(not self._is_ok(cell) for cell in chosen if not set(cell.questions).isdisjoint(wanted)):
            before = [cell for cell in self._all if cell.position <= max(cell.position for cell in chosen)]
            if len(before) > len(chosen):  # what they need was made in a way that cannot be read
                self._start_over()
                self._run_all(before)

    def close(self) -> None:
        """End the worker; whatever it held is gone."""
        self._driver.close()
        self.student.close()

    # --------------------------------------------------------------------------- running

    def _opened(self) -> NotebookStudent:
        options = self._options
        limits = replace(
            self._limits, call_s=self._limits.notebook_call_s, check_s=self._limits.notebook_check_s
        )
        return NotebookStudent(
            self._scratch,
            provider=options.provider,
            min_isolation=options.min_isolation,
            policy=replace(options.policy, limits=limits),
            places={},
            view=VIEW,
            notebook=Notebook(
                options.data, options.fast_data, options.devices, options.seed, options.threads
            ),
            zygote=options.zygote,
        )

    def _run_all(self, cells: Sequence[CodeCell]) -> None:
        for number, cell in enumerate(cells, start=1):
            place = ", ".join(name.upper() for name in cell.questions) or "set-up"
            self._options.notify(f"replaying the notebook: cell {number} of {len(cells)} ({place})")
            if not self.student.life and not self._is_given_up(cell):
                self._start(cells[: number - 1])
            self._run_one(cell)
            self._harvest_after(cell)

    def _is_given_up(self, cell: CodeCell) -> bool:
        """Say whether nothing more is run, and note that for a cell."""
        fault: StudentFault | None = None
        if self._spent_s >= self._limits.notebook_s:
            fault = StudentTimedOut(
                f"not tried: earlier cells used up the {self._limits.notebook_s:g} s that a notebook has"
            )
        elif self.student.workers_started > MAX_DEATHS and not self.student.life:
            fault = StudentFault(f"not tried: earlier cells ended their process {MAX_DEATHS} times")
        if fault is not None:
            self._note(cell, _not_run(cell, str(fault)), fault)
        return fault is not None

    def _run_one(self, cell: CodeCell) -> None:
        if self._is_given_up(cell):
            return
        started = time.monotonic()
        outputs: list[dict[str, Any]] = []
        figures: tuple[Figure, ...] = ()
        try:
            executed, outputs = self._driver(self._index_of(cell))
            fault = executed.fault
            figures = read_figures(executed.figures)
        except StudentFault as error:  # and the worker is gone
            fault = error
            self._deadly.add(cell.position)
        seconds = max(0.0, time.monotonic() - started)
        self._spent_s += seconds
        run = CellRun(
            position=cell.position,
            source=cell.source,
            questions=cell.questions,
            outcome=CellOutcome.OK if fault is None else _outcome_of(fault),
            message="" if fault is None else str(fault),
            seconds=seconds,
            printed=_printed(outputs),
            figures=figures,
            notebook_outputs=outputs,
        )
        self._note(cell, run, fault)

    def _execute(self, source: str, index: int) -> Executed:
        seconds = min(self._limits.cell_s, max(0.0, self._limits.notebook_s - self._spent_s))
        cell = self._all[index]
        return self.student.execute(source, position=cell.position, seconds=seconds, questions=cell.questions)

    def _note(self, cell: CodeCell, run: CellRun, fault: StudentFault | None) -> None:
        self._runs[cell.position] = run
        self._faults.pop(cell.position, None)
        if fault is not None:
            self._faults[cell.position] = fault

    def _harvest_after(self, cell: CodeCell) -> None:
        """Keep what a question left, when this was its last cell; plain values of an earlier life stay."""
        for question in cell.questions:
            if self._last[question] != cell.position or not self.student.life:
                continue
            with contextlib.suppress(StudentFault):  # what cannot be read is not there
                found = self.student.harvest(question, seconds=HARVEST_S)
                self._kept[question] = _merged(self._kept.get(question), found)

    # --------------------------------------------------------------------------- recovery

    def _revive(self) -> None:
        """Have a living worker again, where a check's call cost the last one."""
        if self.student.life or not self._runs:
            return
        ran = [
            cell
            for cell in self._all
            if self._runs.get(cell.position, _not_run(cell)).outcome is not CellOutcome.NOT_RUN
        ]
        if self._reruns_left > 0 and self.student.workers_started <= MAX_DEATHS:
            spent_s = self.student.spent_s
            self._start(ran)
            self.student.spent_s = spent_s  # no check pays for what another one's call cost

    def _start(self, before: Sequence[CodeCell]) -> None:
        """Get a worker ready; if one was lost, do again what the cells before did, as time allows."""
        limits = self._limits
        if holds_more(self._scratch, most_bytes=limits.scratch_bytes, most_entries=limits.scratch_entries):
            self._refill()  # or the next worker would be stopped for it, too
        started = time.monotonic()
        self._prepare(is_first=not before)
        if before:
            self._spent_s += time.monotonic() - started
        if not before:
            return
        again = [cell for cell in before if cell.position not in self._deadly]
        cost_s = sum(
            run.seconds
            for run in (self._runs[cell.position] for cell in again)
            if run.outcome is not CellOutcome.TIMEOUT
        )
        is_full = self._reruns_left > 0 and cost_s <= (self._limits.notebook_s - self._spent_s) / 2
        self._reruns_left -= 1
        for cell in again:
            if self._spent_s >= limits.notebook_s:
                return
            self._options.notify(f"replaying cell {cell.position + 1} again, after a crash")
            self._do_again(cell, is_full=is_full)
            if not self.student.life:
                self._deadly.add(cell.position)
                return  # the next cell finds no worker, and starts over without this one
            self._harvest_after(cell)

    def _prepare(self, *, is_first: bool) -> None:
        """Have a worker load the libraries; what an earlier one left must not be what keeps it from that."""
        try:
            self.student.prepare()
        except MachineFault:
            if is_first:
                raise
            self.student.close()
            self._refill()
            self.student.prepare()

    def _refill(self) -> None:
        try:
            _fill(self._scratch, self._work.root)
        except OSError as error:
            raise MachineFault(f"the submission cannot be copied ({error.strerror or error})") from error

    def _do_again(self, cell: CodeCell, *, is_full: bool) -> None:
        before = self._runs[cell.position]
        is_cheap = before.outcome is CellOutcome.OK and before.seconds <= CHEAP_CELL_S
        started = time.monotonic()
        with contextlib.suppress(StudentFault):
            # A cell that did not end would not end again.
            if before.outcome in (CellOutcome.OK, CellOutcome.RAISED) and (
                is_full or not cell.questions or is_cheap
            ):
                seconds = min(self._limits.cell_s, max(1.0, self._limits.notebook_s - self._spent_s))
                self.student.execute(
                    cell.source, position=cell.position, seconds=seconds, questions=cell.questions
                )
            else:
                self.student.lay_down(
                    cell.source, position=cell.position, seconds=CHEAP_CELL_S, questions=cell.questions
                )
        self._spent_s += time.monotonic() - started

    def _start_over(self) -> None:
        self.student.close()
        self._runs.clear()
        self._faults.clear()
        self._kept.clear()
        self._deadly.clear()
        self._spent_s = 0.0

    # --------------------------------------------------------------------------- looking up

    def _index_of(self, cell: CodeCell) -> int:
        return self._index[cell.position]

    def _is_ok(self, cell: CodeCell) -> bool:
        run = self._runs.get(cell.position)
        return run is not None and run.outcome is CellOutcome.OK

    def _fault_of(self, runs: Sequence[CellRun], question: str) -> StudentFault:
        """Return the fault of the first cell that failed; one of its kind, for a check adds to it."""
        for run in runs:
            if (fault := self._faults.get(run.position)) is not None:
                return another_of(fault)
        return CheckFailed(f"the cells of {question.upper()} left nothing behind")


def _cells_of(work: NotebookWork) -> tuple[Cell, ...]:
    try:
        return read_cells(work.notebook)
    except UnreadableNotebook as error:
        raise CheckFailed(f"the notebook cannot be read: {error}") from error


@contextlib.contextmanager
def scratch_copy(root: Path, *, within: Path | None = None) -> Iterator[Path]:
    """Make a copy of a submission that a worker may write in, and remove it with all that is in it then.

    It lies with other temporary files, or `within` a folder.
    """
    try:
        around = Path(tempfile.mkdtemp(prefix="grader-notebook-", dir=within)).resolve()
    except OSError as error:
        raise MachineFault(f"no scratch folder could be made ({error.strerror or error})") from error
    try:
        around.chmod(PASSED_THROUGH)
        copy = around / "work"
        _fill(copy, root)
        yield copy
    except OSError as error:
        raise MachineFault(f"the submission cannot be copied ({error.strerror or error})") from error
    finally:
        remove_tree(around)


def _fill(copy: Path, root: Path) -> None:
    """Make `copy` a copy of `root`, whatever is there."""
    if copy.exists():
        remove_tree(copy)
    shutil.copytree(root, copy, symlinks=True, copy_function=_copied)
    for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir() and not path.is_symlink())):
        folder.chmod(FOLDER_MODE)


def _copied(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    Path(target).chmod(FILE_MODE)


def _merged(old: Harvested | None, new: Harvested) -> Harvested:
    """Keep what was plain in an earlier life; take objects, and what is to be fetched, from the new one."""
    if old is None:
        return new
    plain = {name: value for name, value in old.values.items() if not _holds_object(value)}
    values = {**old.values, **new.values, **plain}
    return Harvested(values, new.later - set(plain), old.bound | new.bound, new.life)


def _holds_object(value: Value) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_object, value))
    if isinstance(value, dict):
        return any(map(_holds_object, value.values()))
    return isinstance(value, RemoteObject)


def _is_ellipsis(value: Value) -> bool:
    return isinstance(value, RemoteObject) and value.type_name == "ellipsis"


def _not_run(cell: CodeCell, message: str = "") -> CellRun:
    return CellRun(cell.position, cell.source, cell.questions, CellOutcome.NOT_RUN, message)


def _outcome_of(fault: StudentFault) -> CellOutcome:
    kinds = (
        (StudentTimedOut, CellOutcome.TIMEOUT),
        (StudentOutOfMemory, CellOutcome.MEMORY),
        (StudentExited, CellOutcome.EXITED),
        (StudentRaised, CellOutcome.RAISED),
    )
    return next((outcome for kind, outcome in kinds if isinstance(fault, kind)), CellOutcome.CRASHED)


def _printed(outputs: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for output in outputs:
        if output["output_type"] == "stream":
            parts.append(str(output["text"]))
        elif output["output_type"] in ("display_data", "execute_result"):
            parts.append(f"{output['data'].get('text/plain', '')}\n")
    text = "".join(parts)
    if len(text) <= MAX_PRINTED:
        return text
    half = MAX_PRINTED // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters are left out here]\n{text[-half:]}"


def replay_of(work: NotebookWork, options: ReplayOptions, *, scratch: Path) -> Replay:
    """Replay a notebook in a scratch copy of its submission; whoever asks closes it."""
    replay = Replay(work, options, scratch=scratch)
    try:
        replay.run()
    except BaseException:
        replay.close()
        raise
    return replay
