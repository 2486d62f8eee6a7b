"""The filter is a program: run it here, instruction by instruction, against calls it must judge."""

from __future__ import annotations

import errno
import os

import pytest

from grader.worker import syscalls
from grader.worker.confinement import (
    ALLOW,
    ANY_BIT,
    AT_LEAST,
    EQUAL,
    KILL_PROCESS,
    LOAD,
    REFUSE,
    RETURN,
    seccomp_program,
)

OWN_PID = 4321
REFUSED = REFUSE | errno.EPERM


def judge(
    machine: str,
    number: int,
    arguments: tuple[int, ...] = (),
    architecture: int | None = None,
    **given: bool,
) -> int:
    """Interpret the classic BPF program as the kernel does."""
    words = {0: number, 4: architecture or syscalls.AUDIT_ARCHITECTURES[machine]}
    for index in range(6):
        value = arguments[index] if index < len(arguments) else 0
        words[16 + 8 * index] = value & 0xFFFFFFFF
        words[20 + 8 * index] = (value >> 32) & 0xFFFFFFFF
    program = seccomp_program(machine, OWN_PID, **given)
    accumulator, counter = 0, 0
    while True:
        code, if_true, if_false, operand = program[counter]
        counter += 1
        if code == RETURN:
            return operand
        if code == LOAD:
            accumulator = words[operand]
            continue
        holds = {
            EQUAL: accumulator == operand,
            AT_LEAST: accumulator >= operand,
            ANY_BIT: bool(accumulator & operand),
        }[code]
        counter += if_true if holds else if_false


def call(machine: str, name: str, *arguments: int) -> int:
    table = syscalls.ALLOWED | syscalls.CONDITIONAL
    number = table[name][syscalls.COLUMNS[machine]]
    assert number is not None
    return judge(machine, number, arguments)


MACHINES = pytest.mark.parametrize("machine", sorted(syscalls.COLUMNS))


@MACHINES
def test_every_listed_call_is_allowed(machine):
    for numbers in syscalls.ALLOWED.values():
        number = numbers[syscalls.COLUMNS[machine]]
        if number is not None:
            assert judge(machine, number) == ALLOW


@pytest.mark.parametrize(
    ("machine", "number"),
    [
        ("x86_64", number)
        # socket connect bind fork vfork execve ptrace mount process_vm_readv bpf io_uring_setup …
        for number in (41, 42, 49, 57, 58, 59, 101, 165, 310, 321, 425, 322, 272)
    ]
    + [("aarch64", number) for number in (198, 203, 200, 221, 117, 40, 270, 280, 425, 281, 97)],
)
def test_network_processes_programs_and_tracing_are_refused(machine, number):
    assert judge(machine, number) == REFUSED


@pytest.mark.parametrize(
    ("flags", "verdict"), [(0, ALLOW), (0o1000, REFUSED), (3, REFUSED), (0o1001, ALLOW), (0o1002, ALLOW)]
)
def test_the_older_way_of_opening_is_held_to_the_same(flags, verdict):
    assert call("x86_64", "open", 0x7FFF12345678, flags) == verdict


@MACHINES
def test_a_call_of_a_newer_kernel_is_refused(machine):
    assert judge(machine, 4000) == REFUSED


@MACHINES
def test_another_architecture_is_killed(machine):
    assert judge(machine, 0, architecture=0x40000003) == KILL_PROCESS


def test_the_x32_numbers_are_killed():
    assert judge("x86_64", 0x40000000 + 59) == KILL_PROCESS


@MACHINES
@pytest.mark.parametrize(
    ("name", "arguments", "verdict"),
    [
        ("clone", (0x3D0F00,), ALLOW),  # what a thread of glibc asks for
        ("clone", (17,), REFUSED),  # fork: SIGCHLD and nothing shared
        ("clone", (0x00010000 | 0x40000000,), REFUSED),  # a thread with a network of its own
        ("kill", (OWN_PID, 6), ALLOW),
        ("kill", (OWN_PID + 1, 0), REFUSED),
        ("kill", (0xFFFFFFFFFFFFFFFF, 9), REFUSED),
        ("kill", (0, 9), REFUSED),
        ("tgkill", (OWN_PID, OWN_PID, 6), ALLOW),
        ("tgkill", (1, 1, 6), REFUSED),
        ("ioctl", (0, 0x5401), ALLOW),
        ("ioctl", (0, 0x5412), REFUSED),  # TIOCSTI: type into somebody's terminal
        ("fcntl", (3, 8, 1), REFUSED),  # F_SETOWN: have the kernel signal another process
        ("prctl", (15,), ALLOW),
        ("prctl", (4, 1), REFUSED),
        ("prlimit64", (0, 7, 0, 0x7FFF12345678), ALLOW),
        ("prlimit64", (0, 7, 0x7FFF12345678, 0), REFUSED),
        ("prlimit64", (0, 7, 0x100000000, 0), REFUSED),  # only the upper half of the pointer is set
        ("prlimit64", (1, 7, 0, 0), REFUSED),
        ("sendto", (4, 1, 1, 0, 0, 0), ALLOW),
        ("sendto", (4, 1, 1, 1, 0, 0), REFUSED),  # MSG_OOB
        ("madvise", (0, 4096, 4), ALLOW),
        ("madvise", (0, 4096, 100), REFUSED),  # MADV_HWPOISON
        ("sendto", (4, 1, 1, 0, 0x7FFF00000000, 16), REFUSED),
        ("clone3", (1, 88), REFUSE | errno.ENOSYS),
        ("kill", (OWN_PID, 9), REFUSED),  # who died of SIGKILL was killed by somebody else
        ("tgkill", (OWN_PID, OWN_PID + 1, 9), REFUSED),
        ("openat", (3, 0x7FFF12345678, 0), ALLOW),
        ("openat", (3, 0x7FFF12345678, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), ALLOW),  # Landlock decides
        ("openat", (3, 0x7FFF12345678, os.O_RDWR | os.O_TRUNC), ALLOW),
        ("openat", (3, 0x7FFF12345678, os.O_RDONLY | os.O_TRUNC), REFUSED),
        ("openat", (3, 0x7FFF12345678, os.O_RDONLY | os.O_TRUNC | os.O_CLOEXEC), REFUSED),
        ("openat", (3, 0x7FFF12345678, 3), REFUSED),
        ("openat", (3, 0x7FFF12345678, 3 | os.O_TRUNC), REFUSED),
        ("openat2", (3, 0x7FFF12345678), REFUSE | errno.ENOSYS),
        ("exit_group", (0,), ALLOW),
        ("exit_group", (127,), ALLOW),
        ("exit_group", (137,), KILL_PROCESS),  # a wrapper's word for SIGKILL
        ("exit_group", (0x189,), KILL_PROCESS),  # the same, since eight bits count
        ("exit", (0xFFFFFFFF,), KILL_PROCESS),
    ],
)
def test_calls_are_allowed_for_some_arguments_only(machine, name, arguments, verdict):
    assert call(machine, name, *arguments) == verdict


@MACHINES
def test_the_program_fits_what_the_kernel_takes(machine):
    program = seccomp_program(machine, OWN_PID)
    assert len(program) <= 4096
    assert all(if_true <= 255 and if_false <= 255 for _, if_true, if_false, _ in program)


@MACHINES
def test_files_change_names_and_sizes_only_where_there_is_a_scratch_folder(machine):
    column = syscalls.COLUMNS[machine]
    for numbers in syscalls.IN_A_SCRATCH_FOLDER.values():
        if (number := numbers[column]) is not None:
            assert judge(machine, number) == REFUSED
            assert judge(machine, number, has_scratch=True) == ALLOW


@MACHINES
def test_modes_and_times_only_seem_to_change_in_a_scratch_folder(machine):
    column = syscalls.COLUMNS[machine]
    for numbers in syscalls.PRETENDED_IN_A_SCRATCH_FOLDER.values():
        if (number := numbers[column]) is not None:
            assert judge(machine, number) == REFUSED
            assert judge(machine, number, has_scratch=True) == REFUSE | 0


@MACHINES
def test_only_a_gpu_is_worked_by_any_ioctl(machine):
    number = syscalls.CONDITIONAL["ioctl"][syscalls.COLUMNS[machine]]
    assert judge(machine, number, (5, 0xC020462A)) == REFUSED
    assert judge(machine, number, (5, 0xC020462A), has_gpu=True) == ALLOW


@MACHINES
def test_a_gpus_driver_may_have_a_socket_that_nobody_can_talk_to(machine):
    column = syscalls.COLUMNS[machine]
    socket = syscalls.CONDITIONAL["socket"][column]
    unix_in_order, unix_stream, internet = (1, 0x80005), (1, 0x80001), (2, 0x80005)
    assert judge(machine, socket, unix_in_order) == REFUSED
    assert judge(machine, socket, unix_in_order, has_gpu=True) == ALLOW
    assert judge(machine, socket, unix_stream, has_gpu=True) == REFUSED
    assert judge(machine, socket, internet, has_gpu=True) == REFUSED
    connect = syscalls.NOT_FOUND_FOR_A_GPU["connect"][column]
    assert judge(machine, connect, has_gpu=True) == REFUSE | errno.ENOENT
    accepting = {"x86_64": (43, 288), "aarch64": (202, 242)}[machine]
    assert {judge(machine, number, has_gpu=True) for number in accepting} == {REFUSED}


@MACHINES
def test_without_a_gpu_nothing_that_its_driver_does_is_allowed(machine):
    column = syscalls.COLUMNS[machine]
    tables = (syscalls.FOR_A_GPU, syscalls.PRETENDED_FOR_A_GPU, syscalls.NOT_FOUND_FOR_A_GPU)
    for numbers in (numbers for table in tables for numbers in table.values()):
        assert judge(machine, numbers[column]) == REFUSED
