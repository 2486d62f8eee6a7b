"""The host end of the pipe: a student's code as objects whose methods can be called.

Everything that returns from here is a plain value or a StudentFault; nothing that the student's code does can
raise anything else. What is right or wrong is decided elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from grader import sandbox
from grader.errors import CheckFailed, GraderFault, ProtocolViolation, StudentFault, StudentRaised, another_of
from grader.faults import describe_death, describe_raise, describe_timeout
from grader.model import Isolation, Limits
from grader.probe_layers import PROBE_KINDS, AskedWrongly, ProbeLayer
from grader.remote import Arrays, Call, Echo, RemoteObject, Value
from grader.sandbox.command import Notebook
from grader.sandbox.early import EarlyWorker
from grader.sandbox.forked import ZygoteClient
from grader.sandbox.launch import StartedWorker
from grader.sandbox.policy import Policy, read_policy
from grader.sandbox.providers import Provider
from grader.sandbox.worker_process import WorkerGone, WorkerTimeout
from grader.spending import Spending
from grader.worker.protocol import FrameError, Json, Unencodable, Unsupported, decode, encode, pack

__all__ = ["Call", "Echo", "RemoteObject", "Student", "Unsupported", "Value", "open_student"]

Places = Mapping[str, Sequence[str]]


class Student:
    """One submission behind a sandbox: a worker that is started again whenever it was lost."""

    def __init__(
        self,
        root: Path,
        *,
        provider: str,
        min_isolation: int,
        policy: Policy,
        places: Places,
        view: str,
        notebook: Notebook | None = None,
        zygote: ZygoteClient | None = None,
        early: EarlyWorker | None = None,
    ) -> None:
        self._root = root
        self._policy = policy
        self._places = places
        self._view = view
        self._notebook = notebook
        self._zygote = zygote
        self.was_interrupted = False  # in the last exchange
        self._min_isolation = min_isolation
        self._by_file = False
        self._unresolvable: dict[str, StudentFault] = {}
        self._resolved: dict[str, RemoteObject] = {}
        self._seed = 0
        self._life = 0
        self.spent_s = 0.0
        self._check_s = policy.limits.check_s
        self._training_s = policy.limits.training_s
        self.spending = Spending()
        self._probes: list[ProbeLayer] = []  # their arithmetic stays on this side
        self._ahead = _StepsAhead()
        self._own_numbers = 0  # given to objects in the worker so far
        self._worker: StartedWorker | None = None
        chosen, self._worker = self._open(provider, early)
        # From here on the same provider or none: a later worker never runs under less.
        self._provider = chosen
        self.isolation: Isolation = self._worker.isolation
        self.versions: Mapping[str, str] = self._worker.versions

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def limits(self) -> Limits:
        """The limits this submission runs under."""
        return self._policy.limits

    @property
    def provider(self) -> Provider:
        """What holds this submission's workers, all of them."""
        return self._provider

    @property
    def worker_process_id(self) -> int | None:
        """The process id of the worker, while there is one."""
        return None if self._worker is None else self._worker.process.process_id

    @property
    def workers_started(self) -> int:
        """How many workers this has taken so far."""
        return self.spending.workers

    @property
    def round_trips(self) -> int:
        """How many requests have been answered, or should have been."""
        return self.spending.round_trips

    def close(self) -> None:
        """End the worker; its objects are gone."""
        if self._worker is not None:
            self.spending.add_bytes(self._worker.process)
            self._worker.process.kill()
            self._worker = None
            self._ahead = _StepsAhead()

    def begin_check(self, check_id: str, *, seed: int, seconds: float | None = None) -> None:
        """Start a check: all generators reseeded, a new allowance of time, a living worker."""
        self._check_id = check_id
        self._begin(seconds)
        if self._worker is not None and self._worker.process.threads() > self.limits.threads_kept:
            self.close()  # or this check would pay for the threads of the last one
        self._living()
        self.seed(seed)

    def _begin(self, seconds: float | None) -> None:
        self.spent_s = 0.0
        self._check_s = self.limits.check_s if seconds is None else seconds
        self._training_s = self.limits.training_s

    def seed(self, value: int) -> None:
        """Reseed every generator in the worker before its next call; value in [0, 2**63)."""
        self._seed = value
        self._send_ahead(Call({"op": "seed", "value": value}, "seeding"))

    def resolve(self, name: str) -> RemoteObject:
        """Return what a name of the homework stands for in the submission."""
        own_place = self._places[name][-1] if name in self._places else name
        if fault := self._unresolvable.get(own_place):
            raise another_of(fault)
        known = self._resolved.get(name)
        if known is not None and self._worker is not None and known.life == self._life:
            return known  # the worker would only look it up where it keeps it
        call = Call({"op": "resolve", "name": name}, f"importing {name}")
        try:
            value = self._resolve_once(call, is_in_package="." in own_place)
        except StudentFault as fault:
            if not isinstance(fault, StudentRaised):
                self._unresolvable[own_place] = fault  # a file that hangs need not hang in every check
            raise
        if not isinstance(value, RemoteObject):
            raise CheckFailed(f"{name} is {_kind(value)}, not a class or function")
        value.type_name = name
        self._resolved[name] = value
        return value

    def new(self, name: str, *args: Value, **kwargs: Value) -> RemoteObject:
        """Make an object of a class of the submission."""
        return _made(self.resolve(name).call(None, *args, **kwargs), name)

    def new_then(
        self, name: str, *args: Value, then: Callable[[RemoteObject], Sequence[Call]]
    ) -> tuple[RemoteObject, *tuple[Value, ...]]:
        """Make an object and carry out calls of it, in one round trip; return it and their values.

        Where something raises all is done once more, a call at a time, and said as it is then.
        """
        self.resolve(name)  # what is wrong with it is said the first time
        try:
            return self.new_at_once(name, *args, then=then)
        except StudentRaised:
            made = self.new(name, *args)
            return made, *(self.run([call])[0] for call in then(made))

    def new_at_once(
        self, name: str, *args: Value, then: Callable[[RemoteObject], Sequence[Call]]
    ) -> tuple[RemoteObject, *tuple[Value, ...]]:
        """Do as `new_then` for a caller with a way back of his own: what raises is not done again."""
        making = self.resolve(name).calling(None, *args)
        number = self._own_number()
        making = replace(making, step={**making.step, "keep": number})
        value, *values = self.run([making, *then(RemoteObject(self, number, name, self._life))])
        return _made(value, name), *values

    def stand_in(self, name: str, *args: Value, **kwargs: Value) -> RemoteObject:
        """Make one of our own stand-ins inside the worker (see worker/stand_ins.py and probe_layers.py).

        It is made with the next call; what goes wrong then is raised there.
        """
        if name in PROBE_KINDS:
            step = self._probe_step(name, *args, **kwargs)
        else:
            step = {"op": "stand_in", "name": name, "args": list(args), "kwargs": kwargs}
        self._living()
        number = self._own_number()
        self._send_ahead(Call(step | {"keep": number}, f"our stand-in {name}"))
        return RemoteObject(self, number, name.title().replace("_", ""), self._life)

    def _probe_step(
        self,
        kind: str,
        values: Mapping[str, np.ndarray] | None = None,
        *,
        faults: Mapping[str, np.ndarray] | None = None,
        base: RemoteObject | None = None,
    ) -> dict[str, object]:
        shapes = {name: value.shape for name, value in (values or {}).items()}
        self._probes.append(ProbeLayer(kind, shapes, faults or {}))
        step = {"op": "probe", "number": len(self._probes) - 1, "kind": kind}
        return step | {"values": dict(values or {}), "base": base}

    def _told(self, question: Json, arrays: Sequence[np.ndarray]) -> list[bytes | memoryview]:
        """Answer what a probe in the worker asks; what it asks for is checked like everything else."""
        asked = decode(question, arrays, _HostHandles(self))
        expected = {"probe", "values", "x", "dLdy"}
        if not isinstance(asked, dict) or set(asked) != expected:
            raise FrameError("a question is not one that a probe asks")
        number = asked.pop("probe")
        if type(number) is not int or not 0 <= number < len(self._probes):
            raise FrameError("a probe asks that was never made")
        sent: list[np.ndarray] = []
        try:
            node = encode(self._probes[number].answer(**asked), sent, _HostHandles(self))
        except AskedWrongly as error:
            return pack({"refused": str(error)}, [])
        return pack({"told": node}, sent)

    def scan(self) -> Value:
        """Return what a person should look at in the sources, none of which is run (worker/source_scan.py).

        Ask before anything is resolved: later the student's code answers.
        """
        return self.run([Call({"op": "scan"}, "reading the sources")], seconds=self.limits.call_s)[0]

    def train(
        self,
        *,
        model: RemoteObject,
        loss: RemoteObject,
        optimiser: RemoteObject,
        images: np.ndarray,
        labels: np.ndarray,
        order: Sequence[np.ndarray] | np.ndarray,
        scale: float,
    ) -> np.ndarray:
        """Train through the student's classes and return the loss of each batch, (len(order),).

        images (N, ...) are flattened to float64 times `scale`; `order` holds the row numbers of each batch.
        """
        step = {"op": "train", "model": model, "loss": loss, "optimiser": optimiser, "scale": scale}
        step |= {"inputs": images, "targets": labels, "batches": list(order)}
        spent_s = self.spent_s
        try:
            losses = self.run([Call(step, "training")], seconds=self._training_s)[0]
        finally:  # training has an allowance of its own, one for all trainings of a check
            self._training_s = max(0.0, self._training_s - (self.spent_s - spent_s))
            self.spent_s = spent_s
        if not isinstance(losses, np.ndarray):
            raise ProtocolViolation("the losses of the training did not come back as an array")
        return losses

    def run(
        self, calls: Sequence[Call], *, seconds: float | None = None, interrupt: bool = False
    ) -> list[Value]:
        """Carry out calls in order, in one round trip, and return their values.

        The first one that raises raises here. A call may take `limits.call_s` each, all calls of a check
        `limits.check_s` together, unless `seconds` is given. With `interrupt` a longer call is first
        interrupted, and `was_interrupted` says so.
        """
        if not calls:
            return []
        limit_s = self._allowance(len(calls)) if seconds is None else seconds
        self._living()
        arrays = list(self._ahead.arrays)
        steps = [self._encoded(call, arrays) for call in calls]
        ahead, self._ahead = self._ahead, _StepsAhead()
        answer, returned = self._exchange(
            {"steps": ahead.steps + steps}, arrays, what=_named(calls), limit_s=limit_s, interrupt=interrupt
        )
        if "fault" in answer:
            raise self._fault(answer, [*ahead.calls, *calls])
        try:
            values = decode(answer.get("values"), returned, _HostHandles(self))
        except FrameError as error:
            raise self._violated(_named(calls), error) from error
        if not isinstance(values, list) or len(values) != len(ahead.calls) + len(calls):
            raise self._violated(_named(calls), FrameError("not one value for each call"))
        for call in ahead.calls:
            if values.pop(0) is not None:
                raise self._violated(call.what, FrameError("a value where none was asked for"))
        return [_checked(value, call) for value, call in zip(values, calls, strict=True)]

    # -------------------------------------------------------------------------------- inside

    def _open(self, provider: str, early: EarlyWorker | None = None) -> tuple[Provider, StartedWorker]:
        self._life += 1
        with self.spending.on_a_worker():
            return sandbox.open_worker(
                self._root,
                provider=provider,
                min_isolation=self._min_isolation,
                policy=self._policy,
                places=self._places,
                view=self._view,
                by_file=self._by_file,
                notebook=self._notebook,
                zygote=self._zygote,
                early=early,
            )

    def _send_ahead(self, call: Call) -> None:
        """Have a step carried out at the head of the next request."""
        arrays = list(self._ahead.arrays)
        step = self._encoded(call, arrays)
        self._ahead = _StepsAhead([*self._ahead.calls, call], [*self._ahead.steps, step], arrays)

    def _own_number(self) -> int:
        """Return the number of an object that we name before it is made: below 0, where no others are."""
        self._own_numbers += 1
        return -self._own_numbers

    def _living(self) -> StartedWorker:
        if self._worker is None:
            _, self._worker = self._open(self._provider.name)
            if self._seed:
                self.seed(self._seed)
        return self._worker

    def _resolve_once(self, call: Call, *, is_in_package: bool) -> Value:
        try:
            return self.run([call], seconds=self.limits.import_s)[0]
        except StudentRaised:
            raise
        except StudentFault:
            if self._by_file or not is_in_package:
                raise
        # Importing the whole package killed the worker; its files may still be fine one by one.
        self._by_file = True
        return self.run([call], seconds=self.limits.import_s)[0]

    def _allowance(self, calls: int) -> float:
        return max(0.0, min(self.limits.call_s * calls, self._check_s - self.spent_s))

    def _encoded(self, call: Call, arrays: list[np.ndarray]) -> Json:
        handles = _HostHandles(self)
        try:
            return {
                key: value if key == "op" else encode(value, arrays, handles)
                for key, value in call.step.items()
            }
        except _PassedOn as error:  # one call's value is another one's argument
            raise CheckFailed(
                f"{call.what} cannot be given {error}, which came out of an earlier call"
            ) from error
        except Unencodable as error:
            raise GraderFault(f"an argument of {call.what} cannot be sent: {error}") from error

    def _exchange(
        self,
        header: dict[str, Json],
        arrays: list[np.ndarray],
        *,
        what: str,
        limit_s: float,
        interrupt: bool = False,
    ) -> tuple[dict[str, Json], list[np.ndarray]]:
        process = self._living().process
        started = time.monotonic()
        self.spending.round_trips += 1
        if self.spending.asks_time:
            header = header | {"clock": True}
        try:
            answer, returned = process.exchange(
                header, arrays, seconds=limit_s, on_ask=self._told, interrupt=interrupt
            )
        except WorkerTimeout as error:
            self.close()
            elapsed_s = time.monotonic() - started
            raise describe_timeout(what=what, limit_s=limit_s, elapsed_s=elapsed_s) from error
        except WorkerGone as error:
            end = process.obituary()
            elapsed_s = time.monotonic() - started
            self.close()
            raise describe_death(end, what=what, elapsed_s=elapsed_s, limits=self.limits) from error
        except FrameError as error:
            raise self._violated(what, error) from error
        except BaseException:  # Ctrl-C in the middle of an answer: the stream is out of step
            self.close()
            raise
        finally:
            self.was_interrupted = process.was_interrupted
            # Time in which the machine ran others is nobody's spending.
            self.spent_s += max(0.0, time.monotonic() - started - process.held_up_s)
            self.spending.waiting_s += time.monotonic() - started
        self.spending.note_students_time(answer, within_s=time.monotonic() - started)
        return answer, returned

    def _violated(self, what: str, error: FrameError) -> ProtocolViolation:
        self.close()
        return ProtocolViolation(f"{what}: what came back is no answer ({error})")

    def _fault(self, answer: Mapping[str, Json], calls: Sequence[Call]) -> StudentFault:
        step = answer.get("step")
        named = calls[step] if type(step) is int and 0 <= step < len(calls) else calls[-1]
        fault = describe_raise(answer["fault"], what=named.what, limits=self.limits)
        if not isinstance(fault, StudentRaised):
            self.close()  # after exit() or a full memory nothing in there can be relied on
        return fault


@dataclass(frozen=True, slots=True)
class _StepsAhead:
    """Steps that nobody waits for the values of, which are None: they travel with the next request."""

    calls: list[Call] = field(default_factory=list)
    steps: list[Json] = field(default_factory=list)
    arrays: list[np.ndarray] = field(default_factory=list)


class _PassedOn(Unencodable):
    """A value of the student's that could not come here cannot go back either; that is not our fault."""


class _HostHandles:
    """Remote objects on the wire, seen from the host."""

    def __init__(self, student: Student) -> None:
        self._student = student

    def to_node(self, value: object) -> Json:
        if isinstance(value, Unsupported):
            raise _PassedOn(value.description)
        if not isinstance(value, RemoteObject):
            raise Unencodable(f"a {type(value).__name__}")
        if self._student._worker is None or value.life != self._student._life:  # noqa: SLF001
            raise StudentFault(f"{value.type_name} was lost when the worker that held it ended")
        return {"$object": value.number}

    def from_node(self, node: dict[str, Json]) -> object:
        number, name = node.get("$object"), node.get("type")
        if set(node) != {"$object", "type"} or type(number) is not int or not isinstance(name, str):
            raise FrameError("an object is not described by its number and type")
        return RemoteObject(self._student, number, name[:100], self._student._life)  # noqa: SLF001


def open_student(
    submission_root: Path,
    *,
    places: Places,
    provider: str = "auto",
    min_isolation: int,
    policy: Policy | None = None,
    view: str = "numpy",
    zygote: ZygoteClient | None = None,
    early: EarlyWorker | None = None,
) -> Student:
    """Start a worker for a vetted submission; raise SandboxUnavailable where it would not be held.

    `view` names the libraries it can import: "numpy" alone, or those of the "experiments". With `zygote`
    workers are forked there where that gives the same; `early` is taken where it is what would be started.
    """
    return Student(
        submission_root,
        provider=provider,
        min_isolation=min_isolation,
        policy=policy or read_policy(),
        places=places,
        view=view,
        zygote=zygote,
        early=early,
    )


def _named(calls: Sequence[Call]) -> str:
    return calls[0].what if len({call.what for call in calls}) == 1 else calls[-1].what


def _made(value: Value, name: str) -> RemoteObject:
    if not isinstance(value, RemoteObject):
        raise CheckFailed(f"{name}(…) gave {_kind(value)}, not an object")
    value.type_name = name
    return value


def _kind(value: Value) -> str:
    if isinstance(value, Unsupported):
        return value.description
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _checked(value: Value, call: Call) -> Value:
    """Hold the few shapes that a step's value must have."""
    if call.echo:
        given = call.step["args"]
        if not (isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], list)):
            raise ProtocolViolation(f"{call.what}: what came back is not a value and its arguments")
        if not (isinstance(given, list) and len(value[1]) == len(given)):
            raise ProtocolViolation(f"{call.what}: other arguments came back than were given")
        return Echo(value[0], value[1])
    if call.step["op"] in ("parameters", "gradients"):
        return _array_dict(value, call)
    return value


def _array_dict(value: Value, call: Call) -> dict[str, np.ndarray]:
    if not isinstance(value, dict):
        raise CheckFailed(f"{call.what}() must give a dict from names to arrays; it gave {_kind(value)}")
    for name, entry in value.items():
        if not isinstance(entry, np.ndarray):
            raise CheckFailed(f"{call.what}()[{name[:50]!r}] must be an array; it is {_kind(entry)}")
    return Arrays(value, call.what)
