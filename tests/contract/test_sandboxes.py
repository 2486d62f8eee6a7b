"""What every sandbox must do, run over the table; and what only the confined one prevents."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

import grader
from grader import settings
from grader.assignments.hw1.names import PLACES
from grader.client import Student, Unsupported, open_student
from grader.errors import (
    CheckFailed,
    ProtocolViolation,
    SandboxUnavailable,
    StudentCrashed,
    StudentExited,
    StudentFault,
    StudentOutOfMemory,
    StudentRaised,
    StudentTimedOut,
    UsageError,
)
from grader.sandbox.command import plain
from grader.sandbox.policy import read_policy
from grader.sandbox.providers import PROVIDERS
from tests.contract.submissions import write_package

# Short limits, so that a test of one does not take as long as a student may.
POLICY = dataclasses.replace(
    read_policy(),
    limits=dataclasses.replace(
        read_policy().limits, call_s=2.0, import_s=2.0, memory_bytes=1 << 30, output_bytes=1 << 20
    ),
)

NAUGHTY = """
    import numpy as np
    class Tanh:
        def forward(self, what):
            return NAUGHTY[what]()
    class ReLU:
        def forward(self, x):
            return np.maximum(x, 0)
    def _loop():
        while True:
            pass
    def _sleep():
        import time
        time.sleep(1000)
    def _exit():
        import sys
        sys.exit(0)
    def _hard_exit():
        import os
        os._exit(0)
    def _segfault():
        import ctypes
        ctypes.string_at(0)
    def _abort():
        import os
        os.abort()
    def _memory():
        return np.ones((1 << 20, 1 << 12))
    def _flood():
        while True:
            print("x" * 100_000)
    def _raise():
        raise ValueError("a text\\nof two lines")
    def _bad_text():
        class Strange(Exception):
            def __str__(self):
                raise RuntimeError
        raise Strange
    def _deep():
        return _deep()
    def _object_array():
        return np.array([object(), None])
    def _generator():
        return (i for i in range(3))
    def _nested():
        return {"a": [np.float32(1), (2, None)], "b": True}
    def _signals():
        import signal
        for number in (signal.SIGTERM, signal.SIGXCPU, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while True:
            pass
    def _junk(count):
        def write():
            import os
            for descriptor in range(3, 256):
                try:
                    os.write(descriptor, b"\\x04\\x00\\x00\\x00{}{}" * count)
                except OSError:
                    pass
            return 1
        return write
    def _huge():
        return np.zeros(1 << 20)
    NAUGHTY = {name[1:]: act for name, act in globals().items() if name.startswith("_") and callable(act)}
    NAUGHTY |= {"junk_one": _junk(1), "junk_many": _junk(1000)}
"""


@pytest.fixture
def student(folder, provider):
    root = write_package(folder, mytorch__nn__modules__activation=NAUGHTY)
    with open_student(root, places=PLACES, provider=provider, min_isolation=1, policy=POLICY) as opened:
        opened.begin_check("test", seed=1)
        yield opened


def do(student: Student, what: str):
    return student.new("Tanh").forward(what)


def test_values_cross_and_objects_stay(student):
    layer = student.new("Linear", 3, 2)
    x = np.arange(12.0).reshape(4, 3)
    parameters = layer.parameters()
    got = layer.forward(x)
    np.testing.assert_allclose(got, x @ parameters["weight"].T + parameters["bias"])


def test_parameters_are_copies_and_assigning_changes_the_layer(student):
    layer = student.new("Linear", 3, 2)
    layer.parameters()["weight"][:] = 0
    assert layer.parameters()["weight"].any()
    layer.assign("weight", np.zeros((2, 3)))
    assert not layer.parameters()["weight"].any()


def test_many_calls_make_one_round_trip(student):
    layer = student.new("Linear", 3, 2)
    before = student.round_trips
    values = student.run([layer.calling("forward", np.full((1, 3), float(k))) for k in range(500)])
    assert (len(values), student.round_trips - before) == (500, 1)


def test_an_echo_shows_what_the_code_did_to_its_input(student):
    relu = student.new("ReLU")
    echo = student.run([relu.calling("forward", np.array([-1.0, 1.0]), echo=True)])[0]
    assert (echo.value.tolist(), echo.args_after[0].tolist()) == ([0.0, 1.0], [-1.0, 1.0])


def test_a_seed_makes_every_generator_repeat(student):
    draws = []
    for _ in range(2):
        student.begin_check("again", seed=77)
        draws.append(student.new("Linear", 3, 2).parameters()["weight"].tolist())
    assert draws[0] == draws[1]


@pytest.mark.parametrize(
    ("what", "fault", "said"),
    [
        ("loop", StudentTimedOut, "did not return within 2 s"),
        ("sleep", StudentTimedOut, "did not return within 2 s"),
        ("signals", StudentTimedOut, "did not return within 2 s"),
        ("exit", StudentExited, "exit()"),
        ("hard_exit", StudentExited, "exit code 0"),
        ("segfault", StudentCrashed, "SIGSEGV"),
        ("abort", StudentCrashed, "SIGABRT"),
        ("memory", StudentOutOfMemory, "1 GiB"),
        ("flood", StudentFault, "printed more than 1 MiB"),
        ("raise", StudentRaised, "ValueError: a text"),
        ("bad_text", StudentRaised, "Strange"),
        ("deep", StudentRaised, "RecursionError"),
        ("junk_one", ProtocolViolation, "no answer"),
        ("junk_many", ProtocolViolation, "no answer"),
    ],
)
def test_a_fault_costs_its_check_and_the_next_one_gets_a_new_worker(student, what, fault, said):
    with pytest.raises(fault, match=said.replace("(", r"\(").replace(")", r"\)")) as raised:
        do(student, what)
    assert "Tanh.forward" in str(raised.value)
    student.begin_check("next", seed=2)
    assert student.new("ReLU").forward(np.array([-1.0, 2.0])).tolist() == [0.0, 2.0]


def test_an_answer_over_the_budget_is_refused(folder, provider):
    policy = dataclasses.replace(POLICY, limits=dataclasses.replace(POLICY.limits, response_bytes=1 << 20))
    root = write_package(folder, mytorch__nn__modules__activation=NAUGHTY)
    with (
        open_student(root, places=PLACES, provider=provider, min_isolation=1, policy=policy) as opened,
        pytest.raises(ProtocolViolation, match="bytes of arrays"),
    ):
        do(opened, "huge")


def test_what_cannot_cross_is_described(student):
    assert do(student, "object_array") == Unsupported("an array of dtype object")
    assert do(student, "generator").type_name == "generator"
    assert do(student, "nested") == {"a": [np.float32(1), (2, None)], "b": True}


def test_objects_of_a_lost_worker_are_a_fault_and_not_somebody_elses(student):
    layer = student.new("Linear", 3, 2)
    with pytest.raises(StudentExited):
        do(student, "exit")
    student.begin_check("next", seed=1)
    student.new("ReLU")
    with pytest.raises(StudentFault, match="lost when the worker"):
        layer.forward(np.ones((1, 3)))


def test_a_class_that_cannot_be_found_says_where_it_was_looked_for(student):
    with pytest.raises(StudentRaised, match=r"mytorch/nn/sequential\.py is not in the submission"):
        student.new("Sequential")


def test_a_syntax_error_costs_the_names_of_its_file_only(folder, provider):
    root = write_package(
        folder,
        mytorch__nn____init__="from .modules.loss import MSELoss\nfrom .modules.linear import Linear\n",
        mytorch__nn__modules__loss="def broken(:\n",
    )
    with open_student(root, places=PLACES, provider=provider, min_isolation=1, policy=POLICY) as opened:
        with pytest.raises(StudentRaised, match=r"SyntaxError.*mytorch/nn/modules/loss.py, line 1"):
            opened.new("MSELoss")
        assert opened.new("Linear", 3, 2).forward(np.ones((1, 3))).shape == (1, 2)


def test_an_import_that_hangs_or_exits_costs_the_names_of_its_file_only_and_is_tried_once(folder, provider):
    root = write_package(
        folder,
        mytorch__nn____init__=(
            "from .modules.loss import MSELoss\nfrom .modules.linear import Linear\n"
            "from .modules.activation import ReLU\n"
        ),
        mytorch__nn__modules__loss="while True:\n    pass\n",
        mytorch__nn__modules__activation="import os\nos._exit(0)\n",
    )
    with open_student(root, places=PLACES, provider=provider, min_isolation=1, policy=POLICY) as opened:
        assert opened.new("Linear", 3, 2).forward(np.ones((1, 3))).shape == (1, 2)
        with pytest.raises(StudentTimedOut):
            opened.new("MSELoss")
        asked = opened.spending.round_trips
        with pytest.raises(StudentTimedOut):
            opened.new("SoftmaxCrossEntropy")
        assert opened.spending.round_trips == asked
        with pytest.raises(StudentExited):
            opened.new("ReLU")


def test_calls_of_one_check_share_one_allowance_of_time(student):
    student.begin_check("short", seed=1, seconds=0.5)
    with pytest.raises(StudentTimedOut, match=r"within 0\.5 s"):
        do(student, "sleep")
    assert student.spent_s < 1.5  # a call of itself has more


def test_the_environment_is_the_policys_and_the_only_descriptors_are_the_pipes(folder, provider, monkeypatch):
    monkeypatch.setenv("GRADER_TEST_TOKEN", "secret")
    descriptor = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    spy = """
        import os
        class ReLU:
            def forward(self, x):
                return sorted(os.environ)
            def backward(self, x):
                found = []
                for descriptor in range(256):
                    try:
                        os.fstat(descriptor)
                        found.append(descriptor)
                    except OSError:
                        pass
                return len(found)
    """
    root = write_package(folder, mytorch__nn__modules__activation=spy)
    with open_student(root, places=PLACES, provider=provider, min_isolation=1, policy=POLICY) as opened:
        relu = opened.new("ReLU")
        assert set(relu.forward(0)) <= {*POLICY.environment, "LC_CTYPE"}
        assert relu.backward(0) == 4
    os.close(descriptor)


@pytest.mark.parametrize("name", ["numpy.py", "json.py", "random.py", "protocol.py", "sitecustomize.py"])
def test_a_file_named_like_a_library_stands_in_for_nothing(folder, provider, name):
    write_package(
        folder, mytorch__nn__modules__activation="import json, random\n" + "class ReLU:\n    pass\n"
    )
    (folder / name).write_text("raise SystemExit('shadowed')\n")
    with open_student(folder, places=PLACES, provider=provider, min_isolation=1, policy=POLICY) as opened:
        assert opened.new("Linear", 3, 2).forward(np.ones((1, 3))).shape == (1, 2)
        opened.new("ReLU")


def test_torch_and_the_grader_are_not_importable(student, folder):
    finder = """
        import importlib.util
        class Sigmoid:
            def forward(self, names):
                return [name for name in names if importlib.util.find_spec(name) is not None]
    """
    write_package(folder, mytorch__nn__modules__activation=finder)
    student.close()
    assert student.new("Sigmoid").forward(["torch", "scipy", "grader", "pytest", "reference"]) == []


ODD_EXCEPTIONS = """
    class Unnamed(type):
        __name__ = property(lambda cls: 1 / 0)
    class Numbered(type):
        __name__ = 7
    class Broken(type):
        __name__ = "\\ud800"
    class Odd(Exception):
        __str__ = __repr__ = lambda self: 1 / 0
    class Elsewhere(Exception):
        __class__ = property(lambda self: 1 / 0)
    class Traceless(Exception):
        __traceback__ = property(lambda self: 1 / 0)
    class Unnamed(Exception, metaclass=Unnamed):
        pass
    class Numbered(Exception, metaclass=Numbered):
        pass
    class Broken(Exception, metaclass=Broken):
        pass
    class ReLU:
        def forward(self, name):
            raise globals()[name]("said")
"""


@pytest.mark.parametrize("name", ["Unnamed", "Numbered", "Broken", "Odd", "Elsewhere", "Traceless"])
def test_an_exception_that_cannot_be_described_is_one_all_the_same(folder, provider, name):
    root = write_package(folder, mytorch__nn__modules__activation=ODD_EXCEPTIONS)
    with open_student(root, places=PLACES, provider=provider, min_isolation=1, policy=POLICY) as opened:
        layer = opened.new("ReLU")
        for _ in range(2):
            with pytest.raises(StudentRaised, match="raised"):
                layer.forward(name)
        assert opened.workers_started == 1


def test_no_worker_outlives_its_student(folder, provider):
    root = write_package(folder, mytorch__nn__modules__activation=NAUGHTY)
    opened = open_student(root, places=PLACES, provider=provider, min_isolation=1, policy=POLICY)
    process_id = opened.worker_process_id
    assert process_id is not None
    opened.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


def test_an_unknown_sandbox_is_a_usage_error_that_names_the_known_ones(folder):
    with pytest.raises(UsageError, match="confined, separate"):
        open_student(folder, places=PLACES, provider="docker", min_isolation=1)


def test_too_little_isolation_is_refused_and_never_made_up_for(folder):
    with pytest.raises(SandboxUnavailable, match="level 2 was asked for; separate gives level 1"):
        open_student(folder, places=PLACES, provider="separate", min_isolation=2)
    with pytest.raises(SandboxUnavailable, match="level 3 was asked for; confined gives level 2"):
        open_student(folder, places=PLACES, provider="confined", min_isolation=3)


def test_a_system_that_cannot_confine_says_so_and_names_the_way_to_a_self_check(folder, monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")  # as seen by the table of providers
    with pytest.raises(SandboxUnavailable) as raised:
        open_student(folder, places=PLACES, min_isolation=2)
    assert "Landlock and seccomp are Linux's; this is darwin" in str(raised.value)
    assert "--min-isolation 1" in str(raised.value)


def test_a_probe_that_does_not_hold_refuses_the_worker(folder, monkeypatch, needs_confinement):
    # The lock-down is left out behind the trusted side's back; only the probes can tell.
    for named in [provider for provider in PROVIDERS if provider.level >= 2]:
        lax = dataclasses.replace(named, confine=False)
        monkeypatch.setattr("grader.sandbox.providers.PROVIDERS", (lax,))
        with pytest.raises(SandboxUnavailable):
            open_student(folder, places=PLACES, min_isolation=2)


def test_a_wrapper_that_wraps_nothing_is_found_out(folder, monkeypatch, needs_confinement):
    # As firejail did in a container: no sandbox, and exit status 0.
    for named in [provider for provider in PROVIDERS if provider.level == 3]:
        pretending = dataclasses.replace(named, wrap=plain, missing=lambda: None)
        monkeypatch.setattr("grader.sandbox.providers.PROVIDERS", (pretending,))
        with pytest.raises(SandboxUnavailable, match="probe '"):
            open_student(folder, places=PLACES, min_isolation=2)


SPY = """
    import os, socket, sys, numpy as np
    class ReLU:
        def forward(self, path):
            with open(path, "rb") as file:
                return len(file.read())
        def backward(self, path):
            return os.listdir(path)
    class Tanh:
        def forward(self, path):
            with open(path, "w") as file:
                file.write("x")
    class Sigmoid:
        def forward(self, what):
            actions = {
                "fork": os.fork,
                "exec": lambda: os.execv("/bin/true", ["true"]),
                "spawn": lambda: __import__("subprocess").run(["/bin/true"]),
                "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
                "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
                "unix": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
                "kill": lambda: os.kill(os.getppid(), 0),
                "kill_all": lambda: os.kill(-1, 0),
                "affinity": lambda: os.sched_setaffinity(0, {0}),
                "nice": lambda: os.nice(1),
                "chmod": lambda: os.chmod(__file__, 0o777),
                "memfd": lambda: os.memfd_create("x"),
                "truncate": lambda: os.open("/dev/null", os.O_RDONLY | os.O_TRUNC),
                "mode_three": lambda: os.open("/etc/passwd", 3),
                "kill_itself": lambda: os.kill(os.getpid(), 9),
            }
            actions[what]()
"""


# Refused, not there, or on a read-only file system: each is out of reach.
OUT_OF_REACH = "PermissionError|FileNotFoundError|Read-only file system"


@pytest.fixture
def confined_spy(folder, confining_provider):
    root = write_package(folder, mytorch__nn__modules__activation=SPY)
    with open_student(
        root, places=PLACES, provider=confining_provider, min_isolation=2, policy=POLICY
    ) as opened:
        opened.begin_check("spy", seed=1)
        yield opened


def _out_of_sight() -> list[Path]:
    package = Path(grader.__file__).parent
    reference = settings.resource("reference")
    suites = [
        path for path in (package / "assignments").rglob("*") if path.suffix in (".py", ".toml", ".json")
    ]
    return [*reference.rglob("*.py"), *suites, package / "worker" / "session.py", Path("/etc/passwd")]


def test_the_worker_cannot_open_any_file_of_the_reference_or_the_suites(confined_spy):
    paths = _out_of_sight()
    assert len(paths) > 20
    spy = confined_spy.new("ReLU")
    for path in paths:
        assert path.is_file()
        with pytest.raises(StudentRaised, match=OUT_OF_REACH):
            spy.forward(str(path))


@pytest.mark.parametrize(
    "path", ["/proc/{parent}/mem", "/proc/{parent}/environ", "/proc/{parent}/cmdline", "/proc/self/maps"]
)
def test_the_worker_cannot_read_about_the_grader_in_proc(confined_spy, path):
    with pytest.raises(StudentRaised, match=OUT_OF_REACH):
        confined_spy.new("ReLU").forward(path.format(parent=os.getpid()))


def test_the_worker_reads_its_own_files_and_lists_no_folder_of_others(confined_spy, folder):
    spy = confined_spy.new("ReLU")
    assert spy.forward(str(folder / "mytorch/nn/modules/activation.py")) > 100
    for other in ("/", "/tmp", str(folder.parent), str(Path(grader.__file__).parent)):
        with pytest.raises(StudentRaised, match=OUT_OF_REACH):
            spy.backward(other)


def test_the_worker_can_write_nowhere_not_even_beside_its_own_files(confined_spy, folder):
    spy = confined_spy.new("Tanh")
    targets = [
        folder / "new.txt",
        folder / "mytorch/__init__.py",
        Path("/tmp/grader-write"),
        Path("/dev/shm/x"),
    ]
    for target in targets:
        with pytest.raises(StudentRaised, match=OUT_OF_REACH):
            spy.forward(str(target))
        assert not target.exists() or not target.read_text()


@pytest.mark.parametrize(
    "what",
    [
        "fork",
        "exec",
        "spawn",
        "tcp",
        "udp",
        "unix",
        "kill",
        "kill_all",
        "affinity",
        "nice",
        "chmod",
        "memfd",
        "truncate",
        "mode_three",
        "kill_itself",
    ],
)
def test_the_worker_cannot_reach_out(confined_spy, what):
    with pytest.raises(StudentRaised, match="PermissionError"):
        confined_spy.new("Sigmoid").forward(what)


def test_a_list_where_a_dict_of_parameters_is_due_is_named(folder, provider):
    listed = "class Linear:\n    def parameters(self):\n        return [1]\n"
    root = write_package(folder, linear=listed)
    with (
        open_student(root, places=PLACES, provider=provider, min_isolation=1, policy=POLICY) as opened,
        pytest.raises(CheckFailed, match="must give a dict"),
    ):
        opened.new("Linear").parameters()
