"""How a command ends, whatever happens: in one sentence and an exit code. Nothing here knows a command."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

import typer

from grader.errors import GraderError, GraderFault
from grader.plain_text import one_line
from grader.scratch import shared_folder

INTERRUPTED = 130
# Which exit code wins when several submissions end differently; the first is the worst.
SEVERITY = (INTERRUPTED, 3, 4, 2, 1, 0)
DEBUG_FLAG = "--debug"
_LAST_STANDARD_STREAM = 2
_AGAIN_S = 0.05  # until an interruption that met a callback comes once more
# What click raises for wrong arguments; newer versions of typer carry their own copy of click.
_CLICK_ERROR: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


def run_as_process(command: Callable[[], int]) -> NoReturn:
    """Run what `exit_code_of` guards as this whole process: streams, signals, and the last line printed."""
    _open_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character must not cost a report.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    sys.unraisablehook = _tell_what_was_ignored
    signal.signal(signal.SIGINT, _INTERRUPTION)
    signal.signal(signal.SIGTERM, _INTERRUPTION)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, _INTERRUPTION)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, _INTERRUPTION)
    code = command()
    if _INTERRUPTION.came and not _INTERRUPTION.is_told:  # a library took it for something else
        tell_interruption()
    status = _printed(INTERRUPTED if _INTERRUPTION.came else code)
    gc.freeze()  # all goes with the process: looking through it for garbage first would take 40 ms
    sys.exit(status)


def exit_code_of(command: Callable[[], object], *, show_details: bool) -> int:
    """Run a command to its end: its own exit code, or one sentence and the code of what went wrong."""
    try:
        return int(command() or 0)  # type: ignore[call-overload, no-any-return]
    except GraderError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        tell_interruption()
        return INTERRUPTED
    except _CLICK_ERROR as error:
        if error.format_message():  # a bare `grader data` has already shown its help
            complain(f"{error.format_message().rstrip('.')} (see --help)")
        return 2
    except Exception as error:  # noqa: BLE001  # the one catch-all: never a raw traceback
        if _INTERRUPTION.came:
            tell_interruption()
            return INTERRUPTED
        return own_fault(error, show_details=show_details)


@contextmanager
def interruption_told() -> Iterator[None]:
    """Say that a command was interrupted, where a library would end it without a word."""
    try:
        yield
    except KeyboardInterrupt:
        tell_interruption()
        raise


def interruption_was_asked_for() -> None:
    """Take the interruption that came for the proper end of a command that has no other."""
    _INTERRUPTION.came = False


def tell_interruption(remark: str = "") -> None:
    """Say that a command was interrupted, and what is left of it."""
    _INTERRUPTION.is_told = True
    complain(f"interrupted{remark and '; '}{remark}")


def go_on_ending() -> None:
    """Raise KeyboardInterrupt where one came that a library has turned into an error of its own."""
    if _INTERRUPTION.came:
        raise KeyboardInterrupt


def worst(codes: Iterable[int]) -> int:
    """Return the most serious of several exit codes."""
    return min(codes, key=SEVERITY.index, default=0)


def complain(sentence: str) -> None:
    """Write one line to standard error, whatever is in it."""
    with suppress(OSError):  # where nothing can be said, the exit code must do
        typer.echo(f"grader: {one_line(sentence)}", err=True)


def drop_output() -> None:
    """Send what is still to be printed nowhere, so that Python does not fail on it at the end."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)


def own_fault(error: Exception, *, show_details: bool) -> int:
    """Tell a fault of the machine or of ours in one sentence; return its exit code."""
    again = f"`grader {DEBUG_FLAG} …` shows the details"
    if show_details:
        with suppress(OSError):
            typer.echo("".join(traceback.format_exception(error)), err=True)
        again = "see above"
    complain(sentence_of_fault(error, again=again, is_kept=not show_details))
    return GraderFault.exit_code


def sentence_of_fault(error: Exception, *, again: str = "try again", is_kept: bool = True) -> str:
    """Return one sentence for a fault of the machine or of ours; ours is kept in a file for a person."""
    if isinstance(error, OSError | MemoryError):
        return f"the machine failed, and nobody loses points for it: {_machine_fault(error)}; {again}"
    kept = (_kept(error) if is_kept else None) or again
    return f"an unexpected fault in the grader itself ({type(error).__name__}); {kept}"


def _machine_fault(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"


def _kept(error: Exception) -> str | None:
    """Keep an exception in a file for a person, and say where that is; on a full disk say nothing."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="grader-fault-", suffix=".txt", dir=shared_folder(), delete=False, encoding="utf-8"
        ) as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return None
    return f"the details are in {file.name}"


def _open_standard_streams() -> None:
    """Open what a parent closed of the standard streams, or the next files would take their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD_STREAM:
        pass
    os.close(descriptor)


def _printed(code: int) -> int:
    """Print what is still to be printed; return the exit code, which a full disk makes worse."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        drop_output()
        if not isinstance(error, BrokenPipeError) and code != GraderFault.exit_code:  # which has been told
            complain(f"the output could not be printed: {error.strerror or error}")
            return worst((code, GraderFault.exit_code))
    return code


class _Interruption:
    """Ends what runs, and remembers that: libraries turn a KeyboardInterrupt into errors of their own."""

    def __init__(self) -> None:
        self.came = False
        self.is_told = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Receive the signal."""
        self.came = True
        raise KeyboardInterrupt


_INTERRUPTION = _Interruption()


def _tell_what_was_ignored(unraisable: sys.UnraisableHookArgs) -> None:
    """Stay silent about an interruption that met a callback of a library, and have it come once more."""
    if not (_INTERRUPTION.came and issubclass(unraisable.exc_type, KeyboardInterrupt)):
        sys.__unraisablehook__(unraisable)
    elif hasattr(signal, "setitimer"):  # else it is remembered, and the command ends as interrupted
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
