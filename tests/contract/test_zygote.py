"""Workers forked from a zygote are as those that are started, know nothing of each other, and end with it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from grader import pipeline
from grader.assignments.hw1.names import PLACES
from grader.client import Student
from grader.errors import MachineFault
from grader.records import ZygoteOffer
from grader.sandbox import launch
from grader.sandbox.command import Command, Notebook
from grader.sandbox.forked import NoZygote, ZygoteClient
from grader.sandbox.policy import read_policy
from grader.sandbox.processes import SpawnedProcess
from grader.sandbox.providers import BUBBLEWRAP, CONFINED, PROVIDERS
from grader.sandbox.usage import children_of, innermost, is_running, usage_of
from grader.sandbox.views import read_view
from grader.sandbox.zygote import Zygote
from tests.contract.notebooks import RIGHT_Q5_1, lent_zygote, notebook_of, replayed, was_forked
from tests.contract.submissions import write_package
from tests.end_to_end.test_determinism import timeless
from tests.required import if_here, needs_experiments

POLICY = read_policy()
POLICY = dataclasses.replace(POLICY, limits=dataclasses.replace(POLICY.limits, call_s=20.0))

CURIOUS = """
    import ctypes, os, random, signal
    import numpy as np
    class Tanh:
        def forward(self, what, *facts):
            return getattr(Acts, what)(*facts)
    class Acts:
        def tried(names, process_ids, descriptors):
            done = []
            def attempt(what, action):
                try:
                    done.append((what, action()))
                except OSError:
                    pass
            for name in names:
                attempt("read", lambda: open(name + "/secret.txt").read())
                attempt("list", lambda: os.listdir(name))
                attempt("write", lambda: open(name + "/evil.txt", "w").write("x"))
                attempt("rename", lambda: os.rename(name, name + "-moved"))
            libc = ctypes.CDLL(None, use_errno=True)
            for process_id in set(process_ids) - {os.getpid()}:
                for number in (0, signal.SIGTERM, signal.SIGKILL):
                    attempt("signal", lambda: os.kill(process_id, number))
                if libc.ptrace(16, process_id, 0, 0) == 0:
                    done.append("traced")
                local, remote = (ctypes.create_string_buffer(16) for _ in range(2))
                if libc.process_vm_readv(process_id, local, 1, remote, 1, 0) >= 0:
                    done.append("read memory")
                attempt("memory", lambda: open(f"/proc/{process_id}/mem", "rb").read(1))
                attempt("descriptors", lambda: os.listdir(f"/proc/{process_id}/fd"))
            for number in range(3, descriptors):
                attempt("descriptor", lambda: (number, os.fstat(number).st_size))
            return [str(each) for each in done]
        def drawn():
            return [random.random(), float(np.random.rand())]
        def said(text):
            print(text, flush=True)
            return 1
        def crash():
            os.abort()
        def endless():
            while True:
                pass
        def numbers():
            return [os.getcwd(), sorted(os.environ.items()), os.umask(0o77), str(signal.getsignal(17))]
"""


def forking() -> list[str]:
    return [provider.name for provider in PROVIDERS if provider.can_fork]


@pytest.fixture(params=forking())
def name(request, available) -> str:
    return if_here(available[request.param])


@pytest.fixture
def client(name):
    """A line to a zygote of the view that loads at once."""
    with lent_zygote(name, view="numpy") as made:
        yield made


@pytest.fixture
def owned(name):
    """A function that makes a zygote whose owner is this test."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(Zygote(provider=name, min_isolation=1, policy=POLICY, view="numpy"))


def student_of(client: ZygoteClient, folder: str = "one", *, notebook: Notebook | None = None) -> Student:
    root = write_package(client.offer.scratch / folder, mytorch__nn__modules__activation=CURIOUS)
    (root / "secret.txt").write_text("of this submission")
    opened = Student(
        root,
        provider=client.offer.provider,
        min_isolation=1,
        policy=POLICY,
        places=PLACES,
        view="numpy",
        notebook=notebook,
        zygote=client,
    )
    opened.begin_check("test", seed=0)
    return opened


def do(student: Student, what: str, *facts):
    return student.new("Tanh").forward(what, *facts)


def zygote_of(student: Student) -> int:
    """Return the process id of the process that a worker was forked from."""
    lines = status_of(student.worker_process_id)
    return next(int(line.split()[1]) for line in lines if line.startswith("PPid:"))


def status_of(process_id: int) -> list[str]:
    return Path(f"/proc/{process_id}/status").read_text().splitlines()


def until(is_so) -> bool:
    give_up = time.monotonic() + 30
    while not is_so() and time.monotonic() < give_up:
        time.sleep(0.005)
    return is_so()


# ------------------------------------------------------------------------------------ the same


def test_a_forked_worker_passes_every_probe_that_a_started_one_passes(client):
    with student_of(client) as forked:
        assert was_forked(forked)
        started = Student(
            forked._root,
            provider=client.offer.provider,
            min_isolation=1,
            policy=POLICY,
            places=PLACES,
            view="numpy",
        )
        with started:
            assert not was_forked(started)
            assert forked.isolation == started.isolation
            assert forked.versions == started.versions
            started.begin_check("test", seed=0)
            assert do(forked, "numbers") == do(started, "numbers")
            assert do(forked, "drawn") == do(started, "drawn")


def test_a_probe_that_does_not_hold_is_no_less_isolation_but_a_worker_that_is_started(client, monkeypatch):
    monkeypatch.setattr(
        launch,
        "_accepted",
        lambda process, provider, started, accepted=launch._accepted: accepted(
            process,
            provider,
            started if isinstance(process._process, SpawnedProcess) else {"failure": "a lock is missing"},
        ),
    )
    with student_of(client) as student:
        assert not was_forked(student)
        assert student.isolation.provider == client.offer.provider


def test_what_a_forked_worker_prints_is_its_own(client):
    with student_of(client) as first, student_of(client, "two") as second:
        assert do(first, "said", "hello") == do(second, "said", "there") == 1
        outputs = [each._worker.process.output for each in (first, second)]
    assert [bytes(output.first) for output in outputs] == [b"hello\n", b"there\n"]


# -------------------------------------------------------------------------------- kept apart


@pytest.mark.parametrize("notebook", [None, Notebook()], ids=["that reads", "that writes"])
def test_siblings_cannot_reach_each_other_nor_the_zygote(client, notebook):
    with (
        student_of(client, notebook=notebook) as one,
        student_of(client, "two", notebook=notebook) as two,
    ):
        zygote = zygote_of(one)
        assert zygote_of(two) == zygote
        # In a namespace of their own they have other numbers, and those can be guessed.
        process_ids = [two.worker_process_id, zygote, os.getpid(), *range(1, 6)]
        names = [str(two._root), str(client.offer.scratch), str(client.offer.data)]
        found = do(one, "tried", names, process_ids, 64)
        assert [each.partition(", ")[0] for each in found] == ["('descriptor'"], found  # its own socket
        its_own = [each.partition(",")[0] for each in do(one, "tried", [str(one._root)], [], 0)]
        assert its_own == ["('read'", "('list'", *(["('write'"] if notebook else [])]
        assert (two._root / "secret.txt").read_text() == "of this submission"
        assert sorted(each.name for each in two._root.iterdir()) == ["mytorch", "secret.txt"]
        assert is_running(zygote)
        assert do(two, "said", "still here") == 1


def test_the_zygote_holds_nothing_that_its_forks_could_share_and_forks_with_one_thread(client):
    with student_of(client) as student:
        zygote = zygote_of(student)
        maps = [line.split() for line in Path(f"/proc/{zygote}/maps").read_text().splitlines()]
        assert [line for line in maps if "w" in line[1] and line[1].endswith("s")] == []
        assert usage_of(zygote).threads == 1
        held = {str(each.readlink()).partition(":")[0] for each in Path(f"/proc/{zygote}/fd").iterdir()}
        assert held <= {"socket", "/dev/null", f"/proc/{zygote}/task"}
        environment = Path(f"/proc/{zygote}/environ").read_bytes().split(b"\0")
        allowed = {*POLICY.environment, *read_view("numpy").environment, "PWD", ""}
        assert {each.partition(b"=")[0].decode() for each in environment} <= allowed


def test_a_process_with_a_second_thread_is_seen_not_to_be_alone():
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SEVERAL]
    seen = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["True", "True", "False", "False"]


SEVERAL = """
import os, threading, time
from grader.worker.zygote import is_single_threaded
threads = os.open("/proc/self/task", os.O_RDONLY)
print(is_single_threaded(threads), is_single_threaded(None))
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print(is_single_threaded(threads), is_single_threaded(None), flush=True)
os._exit(0)
"""


def test_a_process_with_an_open_device_is_seen_to_have_one():
    command = [sys.executable, "-c", DEVICE]
    seen = subprocess.run(command, capture_output=True, text=True, check=True)
    assert seen.stdout.split() == ["False", "True"]


DEVICE = """
import os
from grader.worker.zygote import holds_devices
print(holds_devices())
os.open("/dev/zero", os.O_RDONLY)
print(holds_devices())
"""


# ------------------------------------------------------------------------------------- endings


def test_when_a_run_of_the_checks_is_gone_so_are_its_workers_and_no_others(owned):
    zygote = owned()
    with zygote.lent() as kept, ZygoteClient(kept) as keeping, student_of(keeping) as staying:
        with zygote.lent() as offer, ZygoteClient(offer) as lost:
            leaving = student_of(lost, "two")
            worker = leaving.worker_process_id
            thread = threading.Thread(target=lambda: _ignored(lambda: do(leaving, "endless")))
            thread.start()
            assert until(lambda: usage_of(worker).cpu_s > 0.2)
            lost._socket.shutdown(socket.SHUT_WR)  # as the system does it for a process that was killed
            assert until(lambda: not is_running(worker))
            thread.join()
            leaving.close()
        assert not offer.scratch.exists()
        assert do(staying, "said", "still here") == 1


def _ignored(action) -> None:
    with contextlib.suppress(Exception):
        action()


def test_when_the_owner_closes_the_zygote_and_all_its_workers_are_gone(owned):
    zygote = owned()
    with zygote.lent() as offer, ZygoteClient(offer) as client, student_of(client) as student:
        processes = [student.worker_process_id, zygote_of(student)]
        zygote.__exit__()
        assert until(lambda: not any(map(is_running, processes)))
    assert not offer.scratch.parents[1].exists()


def test_when_the_owner_is_killed_the_zygote_and_all_its_workers_are_gone(name, tmp_path):
    command = [sys.executable, "-c", OWNER, name, *sys.path]
    # What a killed owner leaves is in its command's own folder, which the next one removes; here in this one.
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
    assert owner.stdout is not None
    processes = [int(number) for number in owner.stdout.readline().split()]
    assert len(processes) == 2
    assert all(map(is_running, processes))
    owner.kill()
    owner.communicate()
    assert until(lambda: not any(map(is_running, processes)))


OWNER = """
import sys
sys.path[:0] = sys.argv[2:]
from tests.contract.test_zygote import lent_zygote, student_of, time, zygote_of
with lent_zygote(sys.argv[1], view="numpy") as client:
    student = student_of(client)
    print(student.worker_process_id, zygote_of(student), flush=True)
    time.sleep(60)
"""


def test_a_zygote_that_was_killed_is_started_again_for_the_next_run(owned):
    zygote = owned()
    for _ in range(2):
        with zygote.lent() as offer, ZygoteClient(offer) as client, student_of(client) as student:
            assert was_forked(student)
            killed = zygote_of(student)
            os.kill(killed, signal.SIGKILL)
            assert until(lambda killed=killed: not is_running(killed))
            _ignored(lambda: do(student, "said", "hello"))


def test_a_zygote_that_is_killed_before_it_forks_costs_a_started_worker(owned):
    zygote = owned()
    with zygote.lent() as offer, ZygoteClient(offer) as client:
        os.kill(innermost(zygote.process_id), signal.SIGKILL)
        with student_of(client) as student:
            assert do(student, "said", "hello") == 1
            assert not was_forked(student)


def test_a_zygote_that_is_killed_after_a_fork_costs_a_worker_and_no_point(client):
    with student_of(client) as student:
        layer, worker = student.new("Tanh"), student.worker_process_id
        os.kill(zygote_of(student), signal.SIGKILL)
        assert until(lambda: not is_running(worker))
        with pytest.raises(MachineFault, match="killed from outside"):
            layer.forward("said", "hello")
        student.begin_check("next", seed=0)
        assert do(student, "said", "hello") == 1
        assert not was_forked(student)


def test_a_zygote_that_dies_while_it_is_asked_costs_a_started_worker(client):
    with student_of(client) as student:
        zygote = zygote_of(student)
        student.close()
        os.kill(zygote, signal.SIGSTOP)
        threading.Timer(0.5, lambda: os.kill(zygote, signal.SIGKILL)).start()
        student.begin_check("next", seed=0)
        assert do(student, "said", "hello") == 1
        assert not was_forked(student)


def test_a_zygote_that_hangs_costs_a_started_worker_and_its_workers_can_still_be_ended(client, monkeypatch):
    monkeypatch.setattr("grader.sandbox.forked.FORK_SECONDS", 0.5)
    monkeypatch.setattr("grader.sandbox.forked.TOLD_SECONDS", 0.5)
    with student_of(client) as student:
        zygote, worker = zygote_of(student), student.worker_process_id
        os.kill(zygote, signal.SIGSTOP)
        try:
            student.close()
            assert not is_running(worker)
            student.begin_check("next", seed=0)
            assert do(student, "said", "hello") == 1
            assert not was_forked(student)
        finally:
            os.kill(zygote, signal.SIGCONT)


def test_a_worker_that_ends_while_its_zygote_hangs_is_nobodys_crash(client, monkeypatch):
    monkeypatch.setattr("grader.sandbox.forked.TOLD_SECONDS", 0.5)
    with student_of(client) as student:
        zygote, layer = zygote_of(student), student.new("Tanh")
        os.kill(zygote, signal.SIGSTOP)
        try:
            with pytest.raises(MachineFault, match="killed from outside"):
                layer.forward("crash")
        finally:
            os.kill(zygote, signal.SIGCONT)


def test_a_line_to_nobody_gives_no_worker(tmp_path):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    offer = ZygoteOffer(
        descriptor=ours.fileno(),
        provider="confined",
        view="numpy",
        scratch=tmp_path,
        data=tmp_path,
    )
    with ours, ZygoteClient(offer) as client, pytest.raises(NoZygote):
        client.fork(None, ours)  # type: ignore[arg-type]
    assert client.is_lost


def test_where_the_first_provider_does_not_start_the_next_one_that_can_fork_is_taken(monkeypatch, available):
    if_here(available["confined"])
    broken = dataclasses.replace(BUBBLEWRAP, missing=lambda: None, wrap=lambda _: Command(("false",), {}))
    monkeypatch.setattr("grader.sandbox.zygote.candidates", lambda *_: [broken, CONFINED])
    with Zygote(provider="auto", min_isolation=1, policy=POLICY, view="numpy") as zygote:
        assert until(lambda: not is_running(zygote.process_id))
        with zygote.lent() as offer, ZygoteClient(offer) as client, student_of(client) as student:
            assert was_forked(student)
            assert student.isolation.provider == "confined"


def test_nothing_is_forked_for_another_provider_or_for_files_out_of_its_reach(client, folder):
    offer = client.offer
    view, provider = read_view("numpy"), next(each for each in PROVIDERS if each.name == offer.provider)
    inside, data = offer.scratch / "one", offer.data / "data"
    assert client.can_fork(provider, view, inside, None)
    assert client.can_fork(provider, view, inside, Notebook(data))
    assert not client.can_fork(provider, view, folder, None)
    assert not client.can_fork(provider, view, inside, Notebook(folder))
    assert not client.can_fork(provider, view, inside, Notebook(data, devices=("/dev/nvidia0",)))
    assert not client.can_fork(dataclasses.replace(provider, name="account"), view, inside, None)
    assert not client.can_fork(provider, dataclasses.replace(view, name="experiments"), inside, None)


def test_where_no_provider_can_fork_there_is_no_zygote_and_nothing_is_said():
    for provider in ("separate", "account", "no-such-sandbox"):
        with Zygote(provider=provider, min_isolation=1, policy=POLICY) as zygote, zygote.lent() as offer:
            assert offer is None
            assert zygote.process_id is None


# ------------------------------------------------------------------------------- same values

SET_UP = """
    import os, random, sys, tempfile
    import matplotlib, matplotlib.pyplot as plt
    import numpy as np
    import torch
    from medmnist import BloodMNIST, INFO
    from sklearn.metrics import confusion_matrix
    from torchvision import transforms
    from tqdm.notebook import tqdm
"""
DRAWN = """
    torch.random.initial_seed()
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Dropout(0.5), torch.nn.Linear(5, 2))
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    loader = torch.utils.data.DataLoader(list(range(40)), batch_size=8, shuffle=True)
    order = [batch.tolist() for batch in loader]
    optimiser = torch.optim.Adam(model.parameters())
    for _ in range(3):
        optimiser.zero_grad()
        model(torch.randn(4, 6)).square().sum().backward()
        optimiser.step()
    trained = [parameter.detach().clone() for parameter in model.parameters()]
    random.seed(5); np.random.seed(6)
    drawn = [random.random(), np.random.rand(3), torch.rand(3), torch.randperm(9)]
"""
ORDERS = """
    words = list({"one", "two", "three", "four", "five", "six", "seven"})
    names = sorted(name for name in dir() if not name.startswith("_"))
    settings = {name: str(value) for name, value in matplotlib.rcParams.items()}
    where = [os.path.basename(os.getcwd()), len(os.environ), sorted(os.environ), sys.path[-1] == os.getcwd()]
    own = [tempfile.gettempdir() == os.environ["HOME"], matplotlib.get_cachedir() == os.environ["HOME"]]
    made = [torch.get_num_threads(), torch.get_default_dtype() == torch.float32, sys.getrecursionlimit()]
    limits = [torch.initial_seed(), str(np.geterr()), matplotlib.get_backend(), sys.flags.hash_randomization]
    fonts = sorted({os.path.basename(font.fname) for font in matplotlib.font_manager.fontManager.ttflist})
    plt.plot([1.0, 2.0]); plt.title("t"); plt.show()
    print(tqdm, confusion_matrix([1, 0], [1, 1]), sorted(INFO)[0])
"""
UNSEEDED = """
    import random
    import numpy as np
    unseeded = [random.random(), float(np.random.rand())]
"""
SAME = {
    "q4.1": ("weights", "order", "trained", "drawn"),
    "q4.2": ("words", "names", "settings", "where", "own", "made", "limits", "fonts"),
}


@needs_experiments
def test_a_notebook_leaves_the_same_values_in_a_forked_and_in_a_started_worker(name, folder):
    cells = (SET_UP, "## Q4.1", DRAWN, "## Q4.2", ORDERS)
    found = []
    with lent_zygote(name) as client:
        for zygote in (client, None):
            with replayed(folder, *cells, provider=name, zygote=zygote) as replay:
                assert [run.message for run in replay.cells] == ["", "", ""]
                assert was_forked(replay.student) == (zygote is not None)
                values = {
                    each: replay.after(question).value(each)
                    for question, names in SAME.items()
                    for each in names
                }
                shown = [(run.printed, str(run.figures)) for run in replay.cells]
                found.append((values, shown))
    forked, started = found
    assert {each: str(value) for each, value in forked[0].items()} == {
        each: str(value) for each, value in started[0].items()
    }
    assert forked[1] == started[1]
    assert forked[0]["own"] == [True, True]


@needs_experiments
def test_what_nobody_seeds_is_another_in_each_fork(name, folder):
    drawn = []
    with lent_zygote(name) as client:
        for _ in range(2):
            with replayed(folder, "## Q4.1", UNSEEDED, provider=name, zygote=client) as replay:
                assert was_forked(replay.student)
                drawn += replay.after("q4.1").value("unseeded")
    assert len(set(drawn)) == 4


@needs_experiments
def test_a_submission_gets_the_same_report_with_and_without_a_zygote(name, folder):
    root = folder / "submission"
    root.mkdir()
    (root / "homework.ipynb").write_bytes(notebook_of("## Q5.1", RIGHT_Q5_1))
    reports = []
    for use_zygote in (True, False):
        options = pipeline.GradeOptions(questions=("q5.1",), sandbox=name, use_zygote=use_zygote)
        graded = pipeline.grade(root, options)
        assert graded.error is None
        reports.append(timeless(graded.report.model_dump(mode="json")))
    assert reports[0] == reports[1]
    assert reports[0]["score"] > 0


@needs_experiments
def test_the_submissions_of_one_command_share_a_zygote(name, folder):
    options = pipeline.GradeOptions(questions=("q5.1",), sandbox=name)
    plan = pipeline.prepare(options)
    parents = []

    def note(event):
        if "replaying the notebook: cell" in (event.note or ""):
            worker = innermost(zygote.process_id)
            parents.append(next(line for line in status_of(worker) if line.startswith("PPid:")))

    with pipeline.zygote_for(plan, options) as zygote:
        for each in ("first", "second"):
            (folder / each).mkdir()
            (folder / each / "homework.ipynb").write_bytes(notebook_of("## Q5.1", "initialize_weights = 1"))
            graded = pipeline.grade(folder / each, options, plan=plan, on_event=note, zygote=zygote)
            assert graded.error is None
        assert len(parents) == 2
        assert parents[0] == parents[1] == f"PPid:\t{innermost(zygote.process_id)}"


def command_of(process_id: int) -> str:
    return Path(f"/proc/{process_id}/cmdline").read_bytes().decode(errors="replace")


@needs_experiments
def test_a_run_of_the_checks_that_is_killed_leaves_no_worker_and_no_file(name, folder):
    options = pipeline.GradeOptions(questions=("q5.1",), sandbox=name)
    plan = pipeline.prepare(options)
    workers = []

    def kill(event):
        if "replaying the notebook: cell" in (event.note or ""):
            workers.append(innermost(zygote.process_id))
            # Python keeps a process of its own where another test has started processes.
            (run,) = [each for each in children_of(os.getpid()) if "suite_process" in command_of(each)]
            os.kill(run, signal.SIGKILL)

    (folder / "homework.ipynb").write_bytes(notebook_of("## Q5.1", "while True:\n    pass"))
    with pipeline.zygote_for(plan, options) as zygote:
        graded = pipeline.grade(folder, options, plan=plan, on_event=kill, zygote=zygote)
        assert "SIGKILL" in graded.report.status_reason
        assert workers
        assert not any(map(is_running, workers))
        playground = zygote._folder
        left = [each.name for kind in ("scratch", "data") for each in (playground / kind).iterdir()]
        assert not [each for each in left if not each.startswith(".home-")]  # which is the zygote's own
    assert not playground.exists()
