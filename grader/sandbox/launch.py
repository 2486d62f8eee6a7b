"""Start a worker under a provider, and see from inside that it holds."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grader
from grader.errors import MachineFault, SandboxUnavailable
from grader.model import Isolation
from grader.sandbox.command import WORKER_FOLDER, Notebook, Worker, plain, worker_of
from grader.sandbox.early import EarlyWorker
from grader.sandbox.forked import NoZygote, ZygoteClient
from grader.sandbox.machine import OWN_THREADS
from grader.sandbox.policy import Policy
from grader.sandbox.processes import Begun, Process, SpawnedProcess, begin
from grader.sandbox.providers import LEVEL_NAMES, Provider
from grader.sandbox.usage import namespace_depth
from grader.sandbox.views import View
from grader.sandbox.worker_process import Death, WorkerGone, WorkerProcess, WorkerTimeout
from grader.worker import probes, protocol

START_SECONDS = 30.0
# What a machine is short of, rather than unable to do.
SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOSPC})
# Of these a submission is promised what the policy says; less would be held against it.
PROMISED_LIMITS = frozenset({"AS", "DATA", "CPU"})
# Writable for everybody on most systems, whatever this process uses for its own temporary files.
SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/")  # noqa: S108


@dataclass(frozen=True, slots=True)
class StartedWorker:
    """A worker that was seen to hold, and what it said about itself before any student code ran."""

    process: WorkerProcess
    isolation: Isolation
    versions: Mapping[str, str]


def start_worker(
    provider: Provider,
    policy: Policy,
    root: Path,
    *,
    view: View,
    places: Mapping[str, Sequence[str]],
    by_file: bool = False,
    notebook: Notebook | None = None,
    zygote: ZygoteClient | None = None,
    early: EarlyWorker | None = None,
) -> StartedWorker:
    """Start a worker for the submission at `root`; raise SandboxUnavailable unless every probe holds.

    With `notebook` the root is a scratch copy, in which the worker may write. With `zygote` it is forked
    there, if that can be had under the same provider and every probe holds; or else started as any other.
    With `early` it is that one, which was started already, if it was started for just this.
    """
    if reason := provider.missing():
        raise SandboxUnavailable(reason)
    order = _Order(provider, policy, root, view, notebook, places, by_file)
    if zygote is not None and zygote.can_fork(provider, view, root, notebook):
        with contextlib.suppress(NoZygote, SandboxUnavailable, MachineFault):
            forked = _from_here(order, lambda worker, theirs: zygote.fork(plain(worker), theirs))
            return _seen_to_hold(order, forked, zygote)
    if early is not None and notebook is None and early.is_for(provider, policy, root, view):
        return _seen_to_hold(order, lambda: early.begun)
    return _seen_to_hold(
        order, _from_here(order, lambda worker, theirs: SpawnedProcess(provider.wrap(worker), theirs))
    )


@dataclass(frozen=True, slots=True)
class _Order:
    """What worker is wanted, however it comes to be."""

    provider: Provider
    policy: Policy
    root: Path
    view: View
    notebook: Notebook | None
    places: Mapping[str, Sequence[str]]
    by_file: bool


def _from_here(order: _Order, start: Callable[[Worker, socket.socket], Process]) -> Callable[[], Begun]:
    return lambda: begin(lambda theirs: start(_worker(order, theirs), theirs))


def _seen_to_hold(
    order: _Order, start: Callable[[], Begun], zygote: ZygoteClient | None = None
) -> StartedWorker:
    """Get a worker, have it locked, and hold its answers against what its level requires."""
    provider = order.provider
    process = _begun(order, start)
    accepted = False
    try:
        with _canary() as canary:
            request = _start_request(process, order, canary=canary)
            if zygote is not None:  # where its siblings' folders are
                request["probes"]["folders"].append(str(zygote.offer.scratch))
            answer, _ = process.exchange(request, [], seconds=START_SECONDS)
        started = _accepted(process, provider, answer.get("started"))
        accepted = True
    except WorkerGone as error:
        if process.obituary().death in (Death.KILLED, Death.MEMORY):
            raise MachineFault("a worker was killed from outside while it started") from error
        raise _did_not_start(process) from error
    except (WorkerTimeout, protocol.FrameError) as error:
        raise _did_not_start(process) from error
    except OSError as error:
        raise _no_process(error) from error
    finally:
        if not accepted:
            process.kill()
    return started


def _begun(order: _Order, start: Callable[[], Begun]) -> WorkerProcess:
    notebook = order.notebook
    try:
        return WorkerProcess(
            start(),
            order.policy,
            scratch=None if notebook is None else order.root,
            # A limit on a process's data does not count memory that it shares, be it with nobody.
            most_resident_bytes=order.view.most_resident_bytes if notebook and not notebook.devices else None,
            threads=1 if notebook is None else notebook.threads,
        )
    except OSError as error:
        if error.errno in SHORTAGES:
            raise _no_process(error) from error
        raise SandboxUnavailable(f"no process could be started ({error.strerror or error})") from error


def _worker(order: _Order, connection: socket.socket) -> Worker:
    return worker_of(order.policy, order.root, order.view, order.notebook, connection)


def _no_process(error: OSError) -> MachineFault:
    return MachineFault(f"a worker could not be started: {error.strerror or error}")


def _did_not_start(process: WorkerProcess) -> SandboxUnavailable:
    process.kill()  # only then all that it printed is here
    printed = bytes(process.output.first[-300:]).decode("utf-8", "replace").strip().splitlines()
    detail = f": {printed[-1]}" if printed else ""
    return SandboxUnavailable(f"the worker did not start{detail}")


@contextlib.contextmanager
def _canary() -> Iterator[str]:
    """Make a file that this user can read and a confined worker must not."""
    with tempfile.NamedTemporaryFile(prefix="grader-canary-") as file:
        yield file.name


def _start_request(process: WorkerProcess, order: _Order, *, canary: str) -> dict[str, Any]:
    policy, view, root, notebook = order.policy, order.view, str(order.root), order.notebook
    limits = policy.limits
    devices = [] if notebook is None else list(notebook.devices)
    own_folders = [root] if notebook is None else []  # that it must not write in
    package = str(Path(grader.__file__).parent)
    memory_limits = view.memory_limits(limits.memory_bytes)
    if devices:  # CUDA reserves as much as there is
        memory_limits.pop("AS", None)
    return {
        "root": root,
        "places": {name: list(where) for name, where in order.places.items()},
        "by_file": order.by_file,
        "confine": order.provider.confine,
        "limits": {
            **memory_limits,
            "CPU": limits.cpu_s,
            "FSIZE": limits.file_bytes,
            "NOFILE": limits.open_files,
            "STACK": limits.stack_bytes,
            "CORE": 0,
            **process.command.limits,
        },
        "files": file_rules(policy, view, order.root, notebook),
        "notebook": _notebook_request(notebook, view),
        "probes": {
            "canaries": [canary, *_out_of_sight(view)],
            "folders": [tempfile.gettempdir(), *own_folders, package, *SHARED_FOLDERS],
            "environment": sorted(process.command.environment),
            "libraries": [name for name in probes.FOREIGN_LIBRARIES if not _is_in(view, name)],
            "memory": memory_limits,
            "root": root,
            "account": process.command.account,
            "threads": limits.threads,
        },
    }


def file_rules(policy: Policy, view: View, root: Path, notebook: Notebook | None) -> dict[str, list[str]]:
    """Return what a worker may open, for `confinement.FileRules`; with `notebook` it may change its root."""
    # What a notebook needs of ours is loaded when it is needed, with torch and plots; no secret is in it.
    served = [] if notebook is None else [str(WORKER_FOLDER)]
    if notebook is not None and notebook.data is not None:
        served.append(str(notebook.data))
    devices = [] if notebook is None else list(notebook.devices)
    return {
        "read": [
            *policy.read,
            *policy.standard_library_entries,
            *view.entries,
            *view.machine,
            *served,
            *(path for path in devices if not path.startswith(("/dev/", OWN_THREADS))),
            str(root),
        ],
        "list_only": list(policy.standard_library),
        "write": list(policy.write),
        "command": [path for path in devices if path.startswith("/dev/")],
        "own": [path for path in devices if path == OWN_THREADS],
        "change": [] if notebook is None else [str(root)],
    }


def _notebook_request(notebook: Notebook | None, view: View) -> dict[str, Any] | None:
    if notebook is None:
        return None
    data = None if notebook.data is None else str(notebook.data)
    wanted = {"data": data, "fast_data": notebook.fast_data, "seed": notebook.seed}
    return wanted | {"threads": notebook.threads, "preload": list(view.preload)}


def _out_of_sight(view: View) -> Iterator[str]:
    """Yield files that no worker may open: a module of ours stands for the suites and the reference."""
    yield str(Path(grader.__file__).parent / "errors.py")
    yield "/etc/passwd"
    yield from _foreign_libraries(view)


def _foreign_libraries(view: View) -> list[str]:
    """Return where this machine keeps libraries that do not belong to the view, if it has them."""
    names = (name for name in probes.FOREIGN_LIBRARIES if not _is_in(view, name))
    specs = (importlib.util.find_spec(name) for name in names)
    return [spec.origin for spec in specs if spec is not None and spec.origin is not None]


def _is_in(view: View, name: str) -> bool:
    return any(Path(entry).name == name for entry in view.entries)


def _process_namespace(process: WorkerProcess) -> str:
    """Look from outside whether the worker has process numbers of its own."""
    deeper = namespace_depth(process.process_id) > namespace_depth(os.getpid())
    return probes.BLOCKED if deeper else "its process number is the same outside"


def _accepted(process: WorkerProcess, provider: Provider, started: object) -> StartedWorker:
    """Hold the worker's answers against what the level requires."""
    if not isinstance(started, dict):
        raise SandboxUnavailable("the worker did not say how it was locked")
    if failure := started.get("failure"):
        raise SandboxUnavailable(str(failure))
    if provider.confine and (lower := sorted(PROMISED_LIMITS.intersection(started["missing_limits"]))):
        raise MachineFault(
            f"a process may have less here than a submission is promised (limit {lower[0]});"
            " raise the limits of the shell or service that starts the grader (`ulimit -a` shows them)"
        )
    answers = started["probes"] | {"process_namespace": _process_namespace(process)}
    failed = [name for name in sorted(provider.required_probes) if answers.get(name) != probes.BLOCKED]
    if failed:
        raise SandboxUnavailable(f"probe {failed[0]!r} from inside: {answers.get(failed[0])}")
    isolation = Isolation(
        level=provider.level,
        name=LEVEL_NAMES[provider.level],
        provider=provider.name,
        covers=provider.covers,
        does_not_cover=provider.does_not_cover,
        probes=answers,
    )
    versions = {"python": started["python"], "numpy": started["numpy"]}
    return StartedWorker(process=process, isolation=isolation, versions=versions)
