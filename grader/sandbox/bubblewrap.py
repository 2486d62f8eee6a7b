"""Provider `bubblewrap`: namespaces around a confined worker, and only the files that it needs."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from grader.sandbox.command import Command, Notebook, Worker
from grader.sandbox.machine import as_root, in_container, install_command, kernel_switch
from grader.sandbox.policy import Policy

PROGRAM = "bwrap"
NOBODY = "65534"
# Settings of the kernel that keep users from making namespaces: name, value that does, value that does not.
_SWITCHES = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "15000"),
)


def missing() -> str | None:
    """Say what this system lacks for it, as far as that is known without trying."""
    if sys.platform != "linux":
        return f"bubblewrap is Linux's; this is {sys.platform}"
    if _program() is None:
        return "the program bwrap is not installed"
    return None


def remedy() -> str:
    """Return what would make it work here."""
    if sys.platform != "linux":
        return "grade on Linux, or in a Linux container"
    if _program() is None:
        return install_command("bubblewrap")
    for name, value, better in _SWITCHES:
        if kernel_switch(name) == value:
            return as_root(f"sysctl -w {name.replace('/', '.')}={better}")
    if in_container():
        return "run the grader outside the container, or one container a submission"
    return "let this user make namespaces: bwrap --unshare-all --ro-bind / / true says what stops it"


def wrap(worker: Worker) -> Command:
    """Start the worker in namespaces of its own: users, processes, network, mounts, IPC, host name."""
    return Command(
        (
            _program() or PROGRAM,
            "--unshare-all",
            "--die-with-parent",
            *("--cap-drop", "ALL"),
            *("--uid", NOBODY, "--gid", NOBODY),
            *("--hostname", "worker"),
            *_mounts(worker),
            *("--chdir", "/"),
            "--",
            str(worker.interpreter),
            *worker.arguments,
        ),
        worker.environment,
        tells_status=True,
    )


def _mounts(worker: Worker) -> Iterator[str]:
    """Yield the options that build the file system: read-only, but for /dev/null and a scratch copy."""
    policy = worker.policy
    for path in policy.read:
        yield from ("--dev-bind-try" if path.startswith("/dev/") else "--ro-bind-try", path, path)
    for path in worker.view.machine:
        yield from ("--ro-bind-try", path, path)
    for path in policy.write:
        yield from ("--dev-bind", path, path)
    for folder in policy.standard_library:
        yield from ("--ro-bind", folder, folder)
    covered = list(_libraries_of_others(policy))
    for folder in covered:
        yield from ("--tmpfs", folder)
    needed = [worker.interpreter, *_shared_interpreter(), worker.folder, *worker.view.entries]
    for path in map(str, (*needed, *([] if worker.notebook else [worker.root]))):
        yield from ("--ro-bind", path, path)
    if worker.notebook is not None:
        yield from _for_notebook(worker.root, worker.notebook)
    # What was mounted over to hide it must not serve as memory to write to, nor the root folder itself.
    for folder in (*covered, "/"):
        yield from ("--remount-ro", folder)


def _for_notebook(root: Path, notebook: Notebook) -> Iterator[str]:
    """Yield the options that add the scratch copy, the served data and a GPU's devices."""
    yield from ("--bind", str(root), str(root))
    if notebook.data is not None:
        yield from ("--ro-bind", str(notebook.data), str(notebook.data))
    if notebook.devices:
        yield from ("--proc", "/proc")  # of its own processes alone; the file rules say what is read of it
    for path in notebook.devices:
        if not path.startswith("/proc/"):
            yield from ("--dev-bind-try" if path.startswith("/dev/") else "--ro-bind-try", path, path)


def _libraries_of_others(policy: Policy) -> Iterator[str]:
    for folder in policy.standard_library:
        for name in policy.not_in_standard_library:
            if (found := Path(folder, name)).is_dir():
                yield str(found)


def _shared_interpreter() -> Iterator[Path]:
    """Yield the library that holds the interpreter, where the program is only its start."""
    folder, name = (sysconfig.get_config_var(key) for key in ("LIBDIR", "INSTSONAME"))
    if folder and name and (path := Path(folder, name)).is_file() and not name.endswith(".a"):
        yield path


def _program() -> str | None:
    return shutil.which(PROGRAM)
