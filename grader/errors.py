"""The exception tree, grouped by whose fault it is.

GraderError
├── UsageError               the caller's: bad arguments                              exit 2
│   ├── SubmissionRejected   the submission cannot be opened, or is not one            exit 2
│   └── DataUnavailable      a data set that was asked for is not on this machine      exit 2
├── SandboxUnavailable       the machine's: not enough isolation here                  exit 4
├── GraderFault              ours                                                      exit 3
└── StudentFault             the submission's: becomes one check's outcome, never an exit code
    ├── CheckFailed          a value is wrong                       failed
    ├── StudentRaised        the student's code raised              failed
    ├── StudentTimedOut      a time limit ran out                   timeout
    ├── StudentOutOfMemory   the memory limit was reached           memory
    ├── StudentExited        the code called exit()                 exited
    ├── StudentCrashed       the worker died of a signal            crashed
    └── ProtocolViolation    bytes that are no answer came back     protocol_error
"""

from __future__ import annotations

from typing import ClassVar, TypeVar


def cause_sentence(cause: str) -> str:
    """Return the likely cause as it ends a message."""
    return f". Likely cause: {cause}"


class GraderError(Exception):
    """Base of everything this package raises on purpose; its text is one sentence for a person."""

    exit_code: ClassVar[int] = 3


_Error = TypeVar("_Error", bound=GraderError)


class UsageError(GraderError):
    """The call cannot be carried out as it was given."""

    exit_code = 2


class SubmissionRejected(UsageError):
    """The submission cannot be graded: not a zip, two notebooks, a path that leaves the folder."""


class DataUnavailable(UsageError):
    """A data set was asked for that is not on this machine."""


class SandboxUnavailable(GraderError):
    """This machine cannot give the isolation that was asked for."""

    exit_code = 4


class GraderFault(GraderError):
    """The grader itself failed; nobody loses points for it."""

    exit_code = 3


class MachineFault(GraderFault):
    """The machine failed: something outside ended a process of ours, or there is too little of something."""


class StudentFault(GraderError):
    """Something in the submission, seen during one check.

    `outcome` is the word of `grader.model.Outcome` that the check gets; `reproduce` is a line of Python
    that shows the fault on the student's own machine, where the check has one.
    """

    outcome: ClassVar[str] = "failed"
    reproduce: str | None = None


class CheckFailed(StudentFault):
    """A value that came back is not what the contract asks for.

    `expected` and `got` are short texts or `grader.model.ArrayExcerpt`s around the first difference; `cause`
    is the likely one, which ends the message and can be read by itself.
    """

    def __init__(
        self,
        message: str,
        *,
        expected: object = None,
        got: object = None,
        first_bad_index: tuple[int, ...] | None = None,
        max_relative_error: float | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(f"{message}{cause_sentence(cause)}" if cause else message)
        self.finding = message
        self.cause = cause
        self.expected = expected
        self.got = got
        self.first_bad_index = first_bad_index
        self.max_relative_error = max_relative_error


class StudentRaised(StudentFault):
    """The student's code raised an exception; `exception_type` is the name of its class."""

    def __init__(self, message: str, *, exception_type: str) -> None:
        super().__init__(message)
        self.exception_type = exception_type


def another_of(fault: _Error) -> _Error:
    """Return a fault of the same kind and text, for another check to raise: each adds to its own."""
    if isinstance(fault, StudentRaised):
        return type(fault)(str(fault), exception_type=fault.exception_type)
    return type(fault)(str(fault))


class StudentTimedOut(StudentFault):
    """A limit on time ran out."""

    outcome = "timeout"


class StudentOutOfMemory(StudentFault):
    """The limit on memory was reached."""

    outcome = "memory"


class StudentExited(StudentFault):
    """The student's code ended the process with exit()."""

    outcome = "exited"


class StudentCrashed(StudentFault):
    """The worker died of a signal (a segmentation fault, say)."""

    outcome = "crashed"


class ProtocolViolation(StudentFault):
    """The worker sent bytes that are not one well-formed answer to the request."""

    outcome = "protocol_error"
