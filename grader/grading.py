"""One run of the checks, on the trusted side: the hooks that judge each check, in one lane or several."""

from __future__ import annotations

import contextlib
import gc
import json
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from grader.checks.plots import added
from grader.checks.source import flags_of, not_scanned
from grader.client import Student
from grader.declaration import declaration_of, place_of
from grader.errors import MachineFault, SandboxUnavailable, StudentFault, StudentTimedOut, another_of
from grader.feedback import MAX_TRACEBACK_CHARACTERS, feedback_of, own_traceback
from grader.lanes import MOST_LANES, Lanes, grouped
from grader.model import Check, CheckResult, Feedback, Flag, Isolation, Outcome, Plot, Spent
from grader.records import GradingRequest, finite, isolation_from_record, result_to_record, seed_of
from grader.sandbox.early import EarlyWorker
from grader.spending import sum_of
from grader.students import Students
from grader.suites import suite_file_name

if TYPE_CHECKING:
    from grader.notebooks.replay import Replay


class Grading:
    """One grading: its open student, what has been found so far, and the hooks that keep both up to date."""

    def __init__(
        self, request: GradingRequest, *, events: int, early: EarlyWorker | None, begun_s: float
    ) -> None:
        self.request = request
        self._begun_s = begun_s
        self._first_check_s: float | None = None
        self._spent = Spent()
        self._students = Students(request, early)
        self._lanes = Lanes(request.checks)
        self._lanes_s: float | None = None  # of this one, when it has nothing left to take
        self._checks = {check_.id: check_ for check_ in request.checks}
        self._order = {name: place for place, name in enumerate(self._checks)}
        self._events = events
        self._results: dict[str, CheckResult] = {}
        self._records: dict[str, dict[str, Any]] = {}  # of the checks that have come to their end
        self._faults: dict[str, str] = {}
        self._broken: dict[str, str] = {}
        self._skipped: str | None = None  # why the check at hand is not tried
        self._student: Student | None = None
        self._question: str | None = None
        self._isolation: Isolation | None = None
        self._versions: dict[str, str] = {}
        self._no_isolation: str | None = None
        self._notes: dict[str, str] = {}
        self._plots: dict[str, tuple[Plot, ...]] = {}
        self._flags: list[Flag] = []
        self.shared: dict[str, Any] = {}  # of the question at hand
        self._replay: Replay | StudentFault | MachineFault | None = None  # or why there is none
        self._notebook_spent_s = 0.0  # by calls of checks into what it left behind
        self._cleanup = contextlib.ExitStack()

    def note(self, item: pytest.Item, text: str) -> None:
        """Keep what a check found out, to be told when it passes."""
        self._notes[self._id_of(item)] = text

    def plot(self, item: pytest.Item, make: Callable[..., Plot], /, *values: object) -> None:
        """Keep what `make` draws of these values, whatever becomes of the check.

        Where it cannot, a flag says so, and no verdict hangs on it: so this catches whatever is raised.
        """
        name = self._id_of(item)
        try:
            self._plots[name] = added(self._plots.get(name, ()), make(*values))
        except Exception as error:  # noqa: BLE001
            problem = f"the grader could not draw what this check found ({type(error).__name__})"
            self.flag(item, "plot_left_out", problem)

    def flag(self, item: pytest.Item, kind: str, message: str) -> None:
        """Keep what a person should look at, whatever becomes of the check."""
        self._flags.append(Flag(kind, message, where=self._id_of(item)))

    def passed(self, item: pytest.Item) -> AbstractSet[str]:
        """Return the checks that have passed: of this one's question so far, and of all before it."""
        return self._lanes.passed(self._check_of(item).question)

    def student_for(self, item: pytest.Item) -> Student:
        """Return the question's student, ready for this check: one worker a question."""
        check_ = self._check_of(item)
        try:
            if self._student is None or self._question != check_.question:
                self._close_student()
                self._student = self._open(item.config)
                self._question = check_.question
                self.shared = {}
            self._begin(self._student, check_.id)
        except SandboxUnavailable as error:
            self._no_isolation = str(error)
            pytest.exit(str(error))
        return self._student

    def replay_for(self, item: pytest.Item) -> Replay:
        """Return the replayed notebook, ready for this check: one replay for all of them."""
        check_ = self._check_of(item)
        if self._replay is None:
            self._close_student()  # one worker at a time
            self._replay = self._replayed(item.config, check_.id)
        if isinstance(self._replay, StudentFault | MachineFault):
            raise another_of(self._replay)
        student, limits = self._replay.student, self.request.limits
        self._notebook_spent_s += student.spent_s
        left_s = limits.notebook_s - self._notebook_spent_s
        if left_s <= 0:
            raise StudentTimedOut(
                f"not tried: earlier calls used up the {limits.notebook_s:g} s that a notebook's checks have"
            )
        seed = seed_of(self.request, f"{check_.id}\nworker")
        student.begin_check(check_.id, seed=seed, seconds=min(limits.notebook_check_s, left_s))
        return self._replay

    def _replayed(self, config: pytest.Config, check_id: str) -> Replay | StudentFault | MachineFault:
        def notify(text: str) -> None:
            self._tell({"event": "note", "id": check_id, "text": text})

        try:
            replay: Replay = config.hook.pytest_grader_replay_notebook(
                grading_request=self.request, notify=notify, cleanup=self._cleanup
            )
        except SandboxUnavailable as error:
            self._no_isolation = str(error)
            pytest.exit(str(error))
        except (StudentFault, MachineFault) as fault:
            return fault
        replay.student.spent_s = 0.0  # what cells spend has a limit of its own
        if self._isolation is None:
            self._isolation = replay.student.isolation
            self._versions = dict(replay.student.versions)
        from grader.notebooks.requested import claims_of  # noqa: PLC0415 -- most gradings replay nothing

        self._flags += claims_of(replay, self.request)
        return replay

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep exactly the checks that were asked for, in the order in which they were asked for."""
        items[:] = sorted(
            (item for item in items if declaration_of(item) and self._id_of(item) in self._order),
            key=lambda item: self._order[self._id_of(item)],
        )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember suites that do not load: what they should have checked is our fault."""
        if report.failed:
            for question in {check_.question for check_ in self.request.checks}:
                if report.nodeid.endswith(suite_file_name(question)):
                    self._broken[question] = report.longreprtext[-MAX_TRACEBACK_CHARACTERS:]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Tell the pipeline when a check starts and what it found."""
        name = self._id_of(item)
        self._tell({"event": "started", "id": name})
        if self._first_check_s is None:
            self._first_check_s = time.monotonic()
            _collect_garbage_again()
        answer = yield
        if name in self._records:
            self._lanes.note_outcome(name, has_passed=self._results[name].outcome is Outcome.PASSED)
            self._tell({"event": "finished", "id": name, "result": self._records[name]})
        return answer

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a check when one that it needs ran and did not pass, or when the answer is known already."""
        self._skipped = None
        if self.request.only_first_loss and any(
            result.outcome is not Outcome.PASSED for result in self._results.values()
        ):
            self._skip("not tried, because points are lost already")
        for need in self._check_of(item).needs:
            result = self._results.get(need)
            if result is not None and result.outcome is Outcome.GRADER_ERROR:
                raise MachineFault(f"not tried, because it needs {need}, in which the grader failed")
            if result is not None and result.outcome is not Outcome.PASSED:
                title = result.check.title.rstrip(".")
                self._skip(f"not tried, because this did not pass: {title} ({need})")

    def _skip(self, reason: str) -> NoReturn:
        self._skipped = reason
        pytest.skip(reason)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self, nextitem: pytest.Item | None) -> Generator[None, object, object]:
        """Count a check's time, and end the worker after the last check of a question."""
        answer = yield
        if self._student is not None:
            self._lanes.add_spent(self._student.spent_s)
            self._student.spent_s = 0.0
        if nextitem is None or self._check_of(nextitem).question != self._question:
            self._close_student()
        return answer

    def pytest_json_runtest_metadata(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> dict[str, Any] | None:
        """Judge the end of a phase (setup, call, teardown), and put the result of all into the report."""
        check_ = self._check_of(item)
        plots = self._plots.get(check_.id, ())
        if call.excinfo is not None:
            outcome, feedback = self._verdict(check_, call.excinfo.value, place_of(item))
            self._results[check_.id] = CheckResult(check_, outcome, feedback, call.duration, plots)
        elif call.when == "call":
            feedback = Feedback(self._notes.get(check_.id, ""))
            self._results[check_.id] = CheckResult(check_, Outcome.PASSED, feedback, call.duration, plots)
        if call.when != "teardown" or check_.id not in self._results:
            return None  # the result may still change
        self._records[check_.id] = result_to_record(self._results[check_.id])
        return {"grader": self._records[check_.id]}

    @pytest.hookimpl(trylast=True)
    def pytest_grader_open_student(self) -> Student:
        """Open a sandboxed worker on the submission."""
        return self._students.open()

    def pytest_json_modifyreport(self, json_report: dict[str, Any]) -> None:
        """Add what belongs to no single check."""
        json_report["grader"] = self._beside_results()

    def _beside_results(self) -> dict[str, Any]:
        """Return, as JSON values, what was found that is no check's result, in the order of the checks."""
        flags = sorted(self._flags, key=lambda flag: self._order.get(flag.where or "", -1))
        return {
            "isolation": self._isolation and finite(asdict(self._isolation)),
            "versions": self._versions,
            "no_isolation": self._no_isolation,
            "faults": {name: self._faults[name] for name in self._order if name in self._faults},
            "broken": self._broken,
            "flags": [asdict(flag) for flag in flags],
            "begun_s": self._begun_s,
            "spent": asdict(self._total()),
        }

    def _total(self) -> Spent:
        """Return what all checks cost."""
        spent = self._spent
        if self._replay is not None and not isinstance(self._replay, StudentFault | MachineFault):
            spent = self._replay.student.spending.added_to(spent)
        if self._first_check_s is None:
            return spent
        checks_s = time.monotonic() - self._first_check_s
        return replace(
            spent,
            loading_s=self._first_check_s - self._begun_s,
            checks_s=checks_s,
            lanes_s=spent.lanes_s + (checks_s if self._lanes_s is None else self._lanes_s),
        )

    # -------------------------------------------------------------------- several questions at a time

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run questions in several lanes, where that is allowed and can be; else pytest goes through them."""
        groups = grouped(session.items, lambda item: self._check_of(item).question)
        more = min(self._most_lanes(groups), len(groups)) - 1
        if more < 1:
            return None
        try:
            self._lanes.prepare(list(groups))
        except OSError:
            return None
        _collect_garbage_again()
        try:
            for _ in range(more):
                self._begin_lane(groups)
            self._run_lane(groups, self._lanes.offer())
            self._take_in(self._lanes.join())
        except BaseException:
            self._lanes.interrupt()
            self._take_in(self._lanes.join())
            raise
        return True

    def _most_lanes(self, questions: Collection[str]) -> int:
        """Return how many questions may run at a time: one, where a notebook's cells have all processors."""
        request = self.request
        has_notebook = request.notebook is not None or not request.names.keys().isdisjoint(questions)
        return 1 if has_notebook or request.only_first_loss else min(request.processors, MOST_LANES)

    def _begin_lane(self, groups: Mapping[str, Sequence[pytest.Item]]) -> None:
        students = self._students.for_fork()
        if students is None:
            return
        with contextlib.suppress(OSError):  # then there is one lane fewer
            self._lanes.fork(partial(self._be_lane, groups, students))
        students.leave_to_fork()

    def _be_lane(self, groups: Mapping[str, Sequence[pytest.Item]], students: Students) -> Mapping[str, Any]:
        """Run questions in a fork of this process, and return what is no check's result."""
        self._students = students
        with contextlib.suppress(KeyboardInterrupt, pytest.exit.Exception):
            self._run_lane(groups, self._lanes.take())
        self._end_workers()
        return self._beside_results()

    def _run_lane(self, groups: Mapping[str, Sequence[pytest.Item]], question: str | None) -> None:
        """Run a question, and those that nobody has taken then."""
        while question is not None:
            items = groups[question]
            for item, next_item in zip(items, [*items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
            self._lanes.finish(question)
            question = self._lanes.take()
        if self._first_check_s is not None:
            self._lanes_s = time.monotonic() - self._first_check_s

    def _take_in(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Take in what other lanes found beside results, which they have told as events."""
        for beside in found:
            self._faults |= beside["faults"]
            self._flags += [Flag(**record) for record in beside["flags"]]
            self._no_isolation = self._no_isolation or beside["no_isolation"]
            self._versions = self._versions or dict(beside["versions"])
            if beside["isolation"] is not None:
                self._note_isolation(isolation_from_record(beside["isolation"]))
            self._spent = sum_of(self._spent, Spent(**beside["spent"]))

    def pytest_sessionfinish(self) -> None:
        """End the workers, however the run ended."""
        self._end_workers()

    def _end_workers(self) -> None:
        self._close_student()
        self._students.close()
        if self._replay is not None and not isinstance(self._replay, StudentFault | MachineFault):
            self._replay.close()
        self._cleanup.close()

    def _begin(self, student: Student, check_id: str) -> None:
        """Start a check within what is left of the submission's allowance of time."""
        limits = self.request.limits
        left_s = limits.submission_s - self._lanes.spent_s
        if left_s <= 0:
            raise StudentTimedOut(
                f"not tried: earlier calls used up the {limits.submission_s:g} s that one submission has"
            )
        # A seed of its own: who finds it in the worker learns nothing of the inputs to come.
        seed = seed_of(self.request, f"{check_id}\nworker")
        student.begin_check(check_id, seed=seed, seconds=min(limits.check_s, left_s))

    def _open(self, config: pytest.Config) -> Student:
        student: Student = config.hook.pytest_grader_open_student(grading_request=self.request)
        student.spending.asks_time = self.request.asks_time
        is_first = self._isolation is None
        self._note_isolation(student.isolation)
        self._versions = dict(student.versions)
        if is_first and self._lanes.is_first:  # now that none of the submission's code has run yet
            self._flags += _scanned(student)
        return student

    def _note_isolation(self, isolation: Isolation) -> None:
        """Keep what holds the workers; of several that differ, the weakest."""
        if self._isolation is None or isolation.level < self._isolation.level:
            self._isolation = isolation

    def _close_student(self) -> None:
        student, self._student, self._question = self._student, None, None
        if student is not None:
            student.close()
            self._spent = student.spending.added_to(self._spent)

    def _verdict(self, check_: Check, error: BaseException, handout: str) -> tuple[Outcome, Feedback]:
        if isinstance(error, StudentFault):
            return Outcome(error.outcome), feedback_of(check_, error, handout=handout)
        if self._skipped is not None:
            return Outcome.SKIPPED, Feedback(self._skipped)
        self._faults[check_.id] = own_traceback(error)
        if isinstance(error, MachineFault):
            return Outcome.GRADER_ERROR, Feedback(f"{error}; nobody loses points for it, grade again")
        kind = type(error).__name__
        return Outcome.GRADER_ERROR, Feedback(
            f"the grader itself failed in this check ({kind}); nobody loses points for it"
        )

    def _tell(self, event: dict[str, Any]) -> None:
        self._lanes.write(self._events, json.dumps(event, allow_nan=False).encode() + b"\n")

    def _check_of(self, item: pytest.Item) -> Check:
        return self._checks[self._id_of(item)]

    @staticmethod
    def _id_of(item: pytest.Item) -> str:
        declaration = declaration_of(item)
        return "" if declaration is None else declaration.id


def _scanned(student: Student) -> list[Flag]:
    """Have the sources looked at; a worker that this kills is replaced by the next call."""
    try:
        return flags_of(student.scan())
    except (StudentFault, MachineFault) as error:
        return [not_scanned(str(error))]


def _collect_garbage_again() -> None:
    """Switch the collector on where it rested while modules were loaded; what they made is not looked at."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
