"""Lock this process down: resource limits, Landlock and seccomp, through ctypes alone.

Called once in the worker, before any student code. Nothing here can be undone afterwards, by anyone.
Numbers and structures are the kernel's ABI: `linux/landlock.h`, `linux/seccomp.h`, `linux/filter.h`.
Neither root nor a package nor a namespace is needed.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import syscalls

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
SIGKILL = 9
CPU_GRACE_SECONDS = 5


class ConfinementError(OSError):
    """The kernel refused a step of the lock-down; nothing may run after that."""


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise ConfinementError(number, f"{what}: {os.strerror(number)}")
    return result


def _prctl(option: int, *arguments: int) -> int:
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(_libc().prctl(option, *padded), f"prctl({option})")


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends (Linux)."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, SIGKILL)


def become_unreadable() -> None:
    """Forbid others of this user to read this process's memory, and those of its forks (Linux)."""
    if sys.platform == "linux":
        _prctl(PR_SET_DUMPABLE, 0)


def apply_limits(limits: Mapping[str, int]) -> list[str]:
    """Set resource limits by name ("AS" in bytes, "CPU" in seconds …).

    Return those that this system lacks, or that somebody has already set lower.
    """
    try:
        import resource  # noqa: PLC0415 -- not on Windows
    except ImportError:
        return sorted(limits)
    missing = []
    for name, value in limits.items():
        # At the soft limit of CPU time comes SIGXCPU, which tells what happened; at the hard one SIGKILL.
        hard = value + CPU_GRACE_SECONDS if name == "CPU" else value
        try:
            kind = getattr(resource, f"RLIMIT_{name}")
        except AttributeError:
            missing.append(name)
            continue
        try:
            resource.setrlimit(kind, (value, hard))
        except (ValueError, OSError):  # macOS knows RLIMIT_AS and refuses it; or the hard limit is lower
            missing.append(name)
            _lower(resource, kind, value)
    return missing


def _lower(resource: Any, kind: int, value: int) -> None:
    """Set a limit to what its hard limit lets it be."""
    highest = resource.getrlimit(kind)[1]
    if 0 <= highest < value:
        resource.setrlimit(kind, (highest, highest))


# ---------------------------------------------------------------------------------- capabilities

CAPABILITY_VERSION_3 = 0x20080522
# What a root grader in somebody's home needs to read Python itself; Landlock still says which files.
DAC_READ_SEARCH = 1 << 2


def drop_capabilities() -> None:
    """Give up every capability of root but that of reading what the file rules allow anyway."""
    header = struct.pack("<Ii", CAPABILITY_VERSION_3, 0)
    kept = capabilities()[0] & DAC_READ_SEARCH
    data = struct.pack("<6I", kept, kept, 0, 0, 0, 0)
    _checked(_libc().capset(header, data), "capset")


def capabilities() -> tuple[int, int]:
    """Return the effective capabilities of this process, lower and upper 32 bits."""
    header = ctypes.create_string_buffer(struct.pack("<Ii", CAPABILITY_VERSION_3, 0), 8)
    data = ctypes.create_string_buffer(24)
    _checked(_libc().capget(header, data), "capget")
    words = struct.unpack("<6I", data.raw)
    return words[0], words[3]


# -------------------------------------------------------------------------------------- Landlock

# System call numbers of Landlock: the same on every architecture.
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
LANDLOCK_CREATE_RULESET_VERSION = 1
LANDLOCK_RULE_PATH_BENEATH = 1

WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REGULAR, TRUNCATE = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 14
COMMAND_DEVICE = 1 << 15
# In a scratch folder: files and folders, and nothing special: no links, sockets, pipes or devices.
CHANGE = READ_FILE | READ_DIR | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REGULAR | TRUNCATE
# How many file rights, and which network and scope bits, each ABI version knows (linux/landlock.h).
FILE_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
NETWORK_SINCE_ABI, NETWORK_ALL = 4, 0b11
SCOPE_SINCE_ABI, SCOPE_ALL = 6, 0b11


@dataclass(frozen=True)
class FileRules:
    """What a worker may open: folders and files to read, devices to write, scratch folders to change."""

    read: tuple[str, ...]
    list_only: tuple[str, ...]  # folders whose names may be listed, with what is inside them not readable
    write: tuple[str, ...]
    change: tuple[str, ...] = ()
    command: tuple[str, ...] = ()  # devices of a GPU, which are worked by ioctl
    own: tuple[str, ...] = ()  # of this process in /proc, to read and set


def landlock_abi() -> int:
    """Return the kernel's Landlock ABI version, or 0 where there is none."""
    if sys.platform != "linux":
        return 0
    version = int(_libc().syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_CREATE_RULESET_VERSION))
    return max(version, 0)


def apply_landlock(rules: FileRules, *, at_most_abi: int | None = None) -> int:
    """Forbid every file, TCP port, foreign socket and signal that the rules do not name; return the ABI.

    With `at_most_abi` a newer kernel does what one of that version could, and no more.
    """
    abi = min(landlock_abi(), at_most_abi or sys.maxsize)
    if abi < 1:
        raise ConfinementError(errno.ENOSYS, "this kernel has no Landlock, or it is switched off")
    rights = (1 << FILE_RIGHTS_BY_ABI[min(abi, max(FILE_RIGHTS_BY_ABI))]) - 1
    attribute = struct.pack(
        "<QQQ",
        rights,
        NETWORK_ALL if abi >= NETWORK_SINCE_ABI else 0,
        SCOPE_ALL if abi >= SCOPE_SINCE_ABI else 0,
    )
    size = 8 if abi < NETWORK_SINCE_ABI else 16 if abi < SCOPE_SINCE_ABI else 24
    libc = _libc()
    ruleset = _checked(libc.syscall(LANDLOCK_CREATE_RULESET, attribute, size, 0), "landlock_create_ruleset")
    try:
        for path, access in _path_rules(rules):
            _allow_path(libc, ruleset, path, access & rights)
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        _checked(libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)
    return abi


def _path_rules(rules: FileRules) -> Iterator[tuple[str, int]]:
    for path in rules.read:
        yield path, READ_FILE | READ_DIR
    for path in rules.list_only:
        yield path, READ_DIR
    for path in rules.write:
        yield path, READ_FILE | WRITE_FILE
    for path in rules.change:
        yield path, CHANGE
    for path in rules.own:
        yield path, READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE
    for path in rules.command:
        yield path, READ_FILE | WRITE_FILE | COMMAND_DEVICE


def _allow_path(libc: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # nothing there to be allowed
    try:
        if not os.path.isdir(path):  # noqa: PTH112 -- a file takes file rights only
            access &= READ_FILE | WRITE_FILE | TRUNCATE | COMMAND_DEVICE
        attribute = struct.pack("<Qi", access, descriptor)
        result = libc.syscall(LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, attribute, 0)
        _checked(result, f"landlock_add_rule({path})")
    finally:
        os.close(descriptor)


# --------------------------------------------------------------------------------------- seccomp

SECCOMP_MODE_FILTER = 2
ALLOW, REFUSE, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
NO_ERROR = 0  # "refused" with it, a call returns 0 and does nothing
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16  # offsets in struct seccomp_data
X32_BIT = 0x40000000
CLONE_THREAD = 0x00010000
CLONE_NAMESPACES = 0x7E020000  # every CLONE_NEW… flag that clone() takes
O_WRONLY, O_RDWR, O_TRUNC = 0o1, 0o2, 0o1000
AF_UNIX, SOCK_SEQPACKET, SOCK_CLOEXEC = 1, 5, 0o2000000
HIGHEST_STATUS = 127

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand

IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIO(N)CLEX
FCNTLS = (0, 1, 2, 3, 4, 1030)  # F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_DUPFD_CLOEXEC
ADVICE = (0, 1, 2, 3, 4, 8, 14, 15, 16)  # what allocators say; nothing that merges or poisons pages
PRCTLS = (3, 15, 16, PR_GET_NO_NEW_PRIVS, 0x53564D41)  # GET_DUMPABLE SET_NAME GET_NAME … SET_VMA


def apply_seccomp(*, has_scratch: bool = False, has_gpu: bool = False) -> None:
    """Refuse every system call that `syscalls.py` does not list: no network, fork, exec, ptrace, mounts."""
    program = seccomp_program(platform.machine(), os.getpid(), has_scratch=has_scratch, has_gpu=has_gpu)
    packed = b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
    code = ctypes.create_string_buffer(packed, len(packed))
    header = struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(code))
    address = ctypes.create_string_buffer(header, len(header))
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(address))


def seccomp_program(
    machine: str, process_id: int, *, has_scratch: bool = False, has_gpu: bool = False
) -> list[Instruction]:
    """Build the filter of a machine ("x86_64", "aarch64") for the process that will run under it.

    With `has_scratch` names and sizes of files may change, where Landlock says; with `has_gpu` devices may be
    worked by any ioctl, and Landlock's file rules alone say which devices those are.
    """
    if machine not in syscalls.COLUMNS:
        raise ConfinementError(errno.ENOSYS, f"no system call table for {machine}")
    column = syscalls.COLUMNS[machine]
    program: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (EQUAL, 1, 0, syscalls.AUDIT_ARCHITECTURES[machine]),
        (RETURN, 0, 0, KILL_PROCESS),  # i386 calls have other numbers
        (LOAD, 0, 0, NUMBER_AT),
        (AT_LEAST, 0, 1, X32_BIT),
        (RETURN, 0, 0, KILL_PROCESS),  # and so have x32 calls
    ]
    answers = [(syscalls.ALLOWED, ALLOW)]
    if has_scratch:
        answers += [
            (syscalls.IN_A_SCRATCH_FOLDER, ALLOW),
            (syscalls.PRETENDED_IN_A_SCRATCH_FOLDER, REFUSE | NO_ERROR),
        ]
    if has_gpu:
        answers += [
            ({name: syscalls.CONDITIONAL[name] for name in ("ioctl", "madvise")}, ALLOW),
            (syscalls.FOR_A_GPU, ALLOW),
            (syscalls.PRETENDED_FOR_A_GPU, REFUSE | NO_ERROR),
            (syscalls.NOT_FOUND_FOR_A_GPU, REFUSE | errno.ENOENT),
        ]
    for table, answer in answers:
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                program += [(EQUAL, 0, 1, number), (RETURN, 0, 0, answer)]
    conditions = _conditions(process_id) | ({"socket": _when_unix_and_in_order()} if has_gpu else {})
    for name, body in conditions.items():
        if (number := syscalls.CONDITIONAL[name][column]) is not None:
            program += [(EQUAL, 0, len(body), number), *body]
    return [*program, (RETURN, 0, 0, REFUSE | errno.EPERM)]


def _conditions(process_id: int) -> dict[str, list[Instruction]]:
    plain = _when_arguments_are_zero((3, 4))  # no flags, and no address but the peer's
    return {
        "clone": _when_thread(),  # threads, never processes
        "clone3": [(RETURN, 0, 0, REFUSE | errno.ENOSYS)],  # its flags are out of reach; libc falls back
        "ioctl": _when_argument_is(1, IOCTLS),
        "fcntl": _when_argument_is(1, FCNTLS),
        "prctl": _when_argument_is(0, PRCTLS),
        "prlimit64": _when_arguments_are_zero((0, 2)),  # its own limits, reading only
        "kill": _when_signalling_itself(process_id, signal_at=1),
        "tgkill": _when_signalling_itself(process_id, signal_at=2),
        "open": _when_opening(flags_at=1),
        "openat": _when_opening(flags_at=2),
        "openat2": [(RETURN, 0, 0, REFUSE | errno.ENOSYS)],  # its flags are out of reach; nobody needs it
        "exit": _when_status_is_small(),
        "exit_group": _when_status_is_small(),
        "madvise": _when_argument_is(2, ADVICE),
        "sendto": plain,
        "recvfrom": plain,
    }


def _when_unix_and_in_order() -> list[Instruction]:
    """Allow sockets of the one kind that a GPU's driver makes, AF_UNIX and SOCK_SEQPACKET."""
    return [
        (LOAD, 0, 0, ARGUMENTS_AT),
        (EQUAL, 1, 0, AF_UNIX),
        (RETURN, 0, 0, REFUSE | errno.EPERM),
        *_when_argument_is(1, (SOCK_SEQPACKET, SOCK_SEQPACKET | SOCK_CLOEXEC)),
    ]


def _when_argument_is(index: int, values: Sequence[int]) -> list[Instruction]:
    tests: list[Instruction] = [(LOAD, 0, 0, ARGUMENTS_AT + 8 * index)]
    for value in values:
        tests += [(EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW)]
    return [*tests, (RETURN, 0, 0, REFUSE | errno.EPERM)]


def _when_signalling_itself(process_id: int, *, signal_at: int) -> list[Instruction]:
    """Allow signals to itself but SIGKILL: a worker that died of it was killed by somebody else."""
    return [
        (LOAD, 0, 0, ARGUMENTS_AT + 8 * signal_at),
        (EQUAL, 0, 1, SIGKILL),
        (RETURN, 0, 0, REFUSE | errno.EPERM),
        *_when_argument_is(0, (process_id,)),
    ]


def _when_opening(*, flags_at: int) -> list[Instruction]:
    """Refuse two ways of opening that Landlock does not see as writing, or not at all.

    Before ABI 3 it lets a file be emptied that is opened for reading; access mode 3 asks it for nothing.
    """
    return [
        (LOAD, 0, 0, ARGUMENTS_AT + 8 * flags_at),
        (ANY_BIT, 0, 2, O_WRONLY),
        (ANY_BIT, 4, 0, O_RDWR),  # both: access mode 3
        (RETURN, 0, 0, ALLOW),
        (ANY_BIT, 1, 0, O_RDWR),
        (ANY_BIT, 1, 0, O_TRUNC),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE | errno.EPERM),
    ]


def _when_status_is_small() -> list[Instruction]:
    """Let a process end with a status that no wrapper of ours uses to tell of a signal (128 and more)."""
    return [
        (LOAD, 0, 0, ARGUMENTS_AT),
        (AT_LEAST, 1, 0, HIGHEST_STATUS + 1),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, KILL_PROCESS),
    ]


def _when_thread() -> list[Instruction]:
    return [
        (LOAD, 0, 0, ARGUMENTS_AT),
        (ANY_BIT, 2, 0, CLONE_NAMESPACES),
        (ANY_BIT, 0, 1, CLONE_THREAD),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE | errno.EPERM),
    ]


def _when_arguments_are_zero(indices: Iterable[int]) -> list[Instruction]:
    words = [ARGUMENTS_AT + 8 * index + half for index in indices for half in (0, 4)]
    program: list[Instruction] = []
    for position, word in enumerate(words):
        to_refusal = 2 * (len(words) - position - 1) + 1
        program += [(LOAD, 0, 0, word), (EQUAL, 0, to_refusal, 0)]
    return [*program, (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE | errno.EPERM)]
