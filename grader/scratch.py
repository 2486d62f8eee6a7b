"""Temporary files of one grader: all in one folder of its own, which outlives no grader, however it ends.

A lock on a file in the folder says that its grader lives: the system lets go of the lock however a process
ends, so that the next grader can tell what a dead one left behind, and remove it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from grader.errors import MachineFault

PREFIX = "grader-scratch-"
LOCK = ".held-by-its-grader"
UNLOCKABLE = ".held-without-a-lock"
# Others may pass through root's folder, not list it: a worker with a user of its own is let into the copy of
# a submission below, whose name it is told. Whatever is made here is private by itself (0700 and 0600).
PASSED_THROUGH, PRIVATE = 0o711, 0o700
OTHERS_RIGHTS = 0o077
_OWN_NAME = re.compile(PREFIX + r"[a-z0-9_]{8}")  # as tempfile makes them: no folder of a person's is touched
_TRIES = 100
_INTERRUPTIONS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM") if hasattr(signal, name)
)
_NEW = os.O_RDWR + os.O_CREAT + os.O_EXCL + getattr(os, "O_CLOEXEC", 0) + getattr(os, "O_NOFOLLOW", 0)
_FOLDER = os.O_RDONLY + sum(
    getattr(os, flag, 0) for flag in ("O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK")
)
_FILE = os.O_RDWR + sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK"))


@contextmanager
def scratch() -> Iterator[Path]:
    """Have `tempfile` make everything in one private folder, until the block ends and the folder goes.

    Folders that dead graders left are removed first. Raise MachineFault where no folder can be made.
    """
    around, made = tempfile.tempdir, None
    let_come = _interruptions()
    try:
        try:
            with _own_rights():
                with _interruptions_held_back():
                    made = _made(_usable(shared_folder))
                tempfile.tempdir = str(made[0])
                sweep(made[0].parent)
                yield made[0]
        finally:
            _hold_back_interruptions()
    finally:  # the folder goes even where one came just before they were held back
        tempfile.tempdir = around
        if made is not None:
            _remove(made[0])
            _let_go(made[1])
        let_come()


def shared_folder() -> Path:
    """Return the folder for temporary files that this grader shares with all the rest of the machine."""
    folder = Path(tempfile.gettempdir()).resolve()
    return folder.parent if _OWN_NAME.fullmatch(folder.name) else folder


def sweep(shared: Path) -> None:
    """Remove the folders of this user's dead graders; whatever is not surely one stays. Raises nothing."""
    if not hasattr(os, "geteuid"):
        return
    with suppress(OSError):
        if _others_may_swap_entries(shared):
            return
        for name in filter(_OWN_NAME.fullmatch, os.listdir(shared)):  # noqa: PTH208 -- names are all it takes
            with suppress(OSError):
                _remove_if_dead(shared / name)


def new_locked_file(name: Callable[[], Path], *, mode: int) -> tuple[Path, int]:
    """Make a file that nobody else holds; return its path and the descriptor that holds it.

    Whoever finds it unlocked may take it for a dead writer's and remove it, also in the moment before it is
    locked here: then another one is made, so `name` must give a new path each time.
    """
    for _ in range(_TRIES):
        path = name()
        descriptor = os.open(path, _NEW, mode)
        if try_lock(descriptor) is not False and is_at(descriptor, path):
            return path, descriptor
        os.close(descriptor)
    raise MachineFault(f"no file could be made and kept in {path.parent}: something removes them at once")


def remove_unheld_file(path: Path) -> None:
    """Remove a file that nobody holds (see `new_locked_file`); leave it where that cannot be known."""
    with suppress(OSError):
        descriptor = os.open(path, _FILE)
        try:
            if _is_own(descriptor, stat.S_ISREG) and try_lock(descriptor) and is_at(descriptor, path):
                path.unlink()
        finally:
            os.close(descriptor)


def try_lock(descriptor: int) -> bool | None:
    """Lock a file while it is open; return False if another holds it, None where there are no locks."""
    try:
        import fcntl  # noqa: PLC0415 -- not on Windows

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # a file system without locks
        return None
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at that path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def _own_rights() -> Iterator[None]:
    """Let no umask take away this user's own rights: then not even we could use what we make."""
    umask = None
    try:
        with _interruptions_held_back():
            umask = os.umask(OTHERS_RIGHTS)
            os.umask(umask & OTHERS_RIGHTS)
        yield
    finally:
        if umask is not None:
            os.umask(umask)


@contextmanager
def _interruptions_held_back() -> Iterator[None]:
    """Let what would interrupt this thread wait: no folder is made that nobody knows of."""
    let_come = _interruptions()
    try:
        _hold_back_interruptions()
        yield
    finally:
        let_come()


def _hold_back_interruptions() -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTIONS)


def _interruptions() -> Callable[[], object]:
    """Return what lets through again the interruptions that come through now."""
    if not hasattr(signal, "pthread_sigmask"):
        return lambda: None
    return partial(signal.pthread_sigmask, signal.SIG_SETMASK, signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def _usable(find: Callable[[], Path]) -> Path:
    try:
        return find()
    except OSError as error:
        raise _no_folder("no folder for temporary files can be used", error) from error


def _made(shared: Path) -> tuple[Path, int | None]:
    """Make a folder that is held; the descriptor that holds it, or None where it cannot be."""
    for _ in range(_TRIES):
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=shared))
            with suppress(_Swept):
                return folder, _held(folder)
        except OSError as error:
            raise _no_folder(f"no folder for temporary files can be made in {shared}", error) from error
    raise MachineFault(f"every new folder in {shared} is removed at once by something else")


class _Swept(Exception):
    """Another grader removed a folder in the moment between its making and its locking."""


def _held(folder: Path) -> int | None:
    """Lock the folder; raise _Swept if another grader took it for a dead one's before we could."""
    path = folder / LOCK
    try:
        folder.chmod(PASSED_THROUGH if _is_root() else PRIVATE)
        descriptor = os.open(path, _NEW, stat.S_IRUSR | stat.S_IWUSR)
    except FileNotFoundError as error:
        raise _Swept from error
    except OSError:
        folder.rmdir()
        raise
    locked = try_lock(descriptor)
    if locked and is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    if locked is None:  # nobody takes it for a dead grader's now: it is not empty, and has no lock file
        path.rename(folder / UNLOCKABLE)
        return None
    raise _Swept


def _let_go(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)


def _remove_if_dead(folder: Path) -> None:
    opened = os.open(folder, _FOLDER)
    try:
        if not _is_own(opened, stat.S_ISDIR):
            return
        try:
            lock = os.open(folder / LOCK, _FILE)
        except FileNotFoundError:
            folder.rmdir()  # only if it is empty: its grader died, or is about to see this and make another
            return
        try:
            if _is_own(lock, stat.S_ISREG) and try_lock(lock) and is_at(lock, folder / LOCK):
                _remove(folder)
        finally:
            os.close(lock)
    finally:
        os.close(opened)


def _others_may_swap_entries(folder: Path) -> bool:
    """Whether other users can put something else in the place of what was looked at."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def _is_own(descriptor: int, is_kind: Callable[[int], bool]) -> bool:
    found = os.fstat(descriptor)
    return is_kind(found.st_mode) and found.st_uid == os.geteuid()


def _remove(folder: Path) -> None:
    """Remove a folder and all in it, the lock last: what a crash leaves half removed can be swept again."""
    with suppress(OSError):
        for path in _all_but_the_lock(folder):
            remove_tree(path)
        if not _all_but_the_lock(folder):
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()


def _all_but_the_lock(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name != LOCK]


def remove_tree(root: Path) -> None:
    """Remove a file, or a folder with read-only folders in it; what cannot be removed stays.

    Only folders are made writable, and never through a link: at isolation level 1 a submission can put
    links to the grader's own files there.
    """
    with suppress(OSError, RecursionError):
        if root.is_symlink() or not root.is_dir():
            root.unlink()
            return
        root.chmod(PRIVATE)
        for folder, subfolders, files in os.walk(root):
            # Windows does not remove a read-only file; elsewhere only its folder matters.
            for path in (Path(folder, name) for name in [*subfolders, *(files if os.name == "nt" else ())]):
                if not path.is_symlink():
                    path.chmod(PRIVATE)
    with suppress(RecursionError):
        shutil.rmtree(root, ignore_errors=True)
    if _FOLDER & getattr(os, "O_DIRECTORY", 0) and root.exists():
        with suppress(OSError):
            _remove_deep(root)


def _remove_deep(root: Path) -> None:
    """Remove a folder that is deeper than paths, or Python's recursion, can go.

    Each folder found is moved up into `root` and looked into there, so that nothing is ever deeper than two.
    """
    top = os.open(root, _FOLDER)
    try:
        while names := _folders_left(top):
            for name in names:
                inner = os.open(name, _FOLDER, dir_fd=top)
                try:
                    for below in _folders_left(inner):
                        os.rename(below, secrets.token_hex(16), src_dir_fd=inner, dst_dir_fd=top)
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    root.rmdir()


def _folders_left(folder: int) -> list[str]:
    """Remove the files of an open folder, and return the names of its folders, which can then be moved."""
    folders = []
    for name in os.listdir(folder):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.chmod(name, PRIVATE, dir_fd=folder)
            folders.append(name)
        else:
            os.unlink(name, dir_fd=folder)
    return folders


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _no_folder(what: str, error: OSError) -> MachineFault:
    return MachineFault(
        f"{what} ({error.strerror or error}); set TMPDIR to a folder with free space that you can write to"
    )
