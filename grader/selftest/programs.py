"""The table of attack programs: fixtures/attacks/programs/<file>.py, each run by name inside a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from grader.selftest.records import Attack, Kind


class Unconfined(StrEnum):
    """What becomes of a program at isolation level 1, where nothing but a process stands in its way."""

    SUCCEEDS = "succeeds"
    FAILS = "fails"
    DEPENDS = "depends"


@dataclass(frozen=True, slots=True)
class Program:
    """A program, and what is expected of it without confinement; `because` says why it would fail even there.

    `seconds` is the time that its call gets. `options` are further facts. With `witness`, a fresh worker is
    looked at afterwards. `file` is the program's, where several attacks share one.
    """

    attack: Attack
    unconfined: Unconfined
    because: str
    file: str
    options: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 10.0
    witness: bool = False

    @property
    def meets_the_reader_only(self) -> bool:
        """Whether it does nothing but answer, so that every sandbox's trusted side meets the same bytes."""
        return self.because in (_SAME_PROTOCOL, _NO_PICKLE)


def _program(
    id: str,  # noqa: A002 -- the word that the table and the ledger use
    rows: str,
    title: str,
    unconfined: str = "succeeds",
    because: str = "",
    *,
    file: str = "",
    seconds: float = 10.0,
    witness: bool = False,
    options: Mapping[str, str] | None = None,
) -> Program:
    attack = Attack(id, tuple(rows.split()), title, Kind.PROGRAM)
    return Program(attack, Unconfined(unconfined), because, file or id, options or {}, seconds, witness)


def _frames(variant: str, title: str, *, rows: str = "C16", seconds: float = 10.0, **options: str) -> Program:
    name = "_".join([rows.lower(), variant, options.get("which", "")]).rstrip("_")
    return _program(
        name,
        rows,
        title,
        "fails",
        _SAME_PROTOCOL,
        file="c16_frames",
        seconds=seconds,
        options={"variant": variant, **options},
    )


def _answers(variant: str, rows: str, title: str) -> Program:
    return _program(
        f"r17_{variant}",
        rows,
        title,
        "fails",
        _SAME_PROTOCOL,
        file="r17_huge_answers",
        options={"variant": variant},
    )


def _pickle(variant: str) -> Program:
    title = f"a pickle that acts, sent as {variant}"
    return _program(
        f"x16_{variant}",
        "X16 C26",
        title,
        "fails",
        _NO_PICKLE,
        file="x16_pickles",
        options={"variant": variant},
    )


def _bent(variant: str, done: str, *, seconds: float = 5.0) -> Program:
    return _program(
        f"own_pipe_{variant}",
        "own",
        f"the pipe, {done}",
        "fails",
        _SAME_PROTOCOL,
        file="own_bends_the_pipe",
        seconds=seconds,
        options={"variant": variant},
    )


def _edited(variant: str, what: str) -> Program:
    return _program(
        f"own_edits_{variant}",
        "own",
        f"our code in the worker, edited: {what}",
        "fails",
        _SAME_PROTOCOL,
        file="own_edits_the_worker",
        seconds=3.0,
        options={"variant": variant},
    )


def _killed(variant: str, title: str, unconfined: str = "succeeds", because: str = "") -> Program:
    return _program(
        f"own_ends_{variant}",
        "own",
        title,
        unconfined,
        because,
        file="own_ends_as_if_killed",
        options={"variant": variant},
    )


def _strange(variant: str, what: str) -> Program:
    return _program(
        f"own_strange_{variant}",
        "own",
        f"an odd answer: {what}",
        "fails",
        _SAME_PROTOCOL,
        file="own_answers_strangely",
        options={"variant": variant},
    )


_NEVER_THERE = "expected values and the reference never enter any worker"
_OWN_PROCESS = "a worker is a process of its own at every level, and the next one is new"
_SAME_PROTOCOL = "the trusted side reads frames as strictly at every level"
_SAME_CLOCK = "the deadline is kept by the trusted side at every level"
_SAME_LIMITS = "resource limits are set at every level"
_CLEAN_START = "the interpreter's flags and the environment are the same at every level"
_ROOT_ONLY = "it takes rights that only a grader run by root has"
_TRACING = "some systems let a process read only its own children's memory"
_NO_PICKLE = "neither side unpickles at any level"
_KILLED = "a worker is ended by SIGKILL at every level"
_CPU = "the kernel ends it as for any other reason; the trusted side looks at the time it had"
_WATCHED = "threads are counted from outside at every level"
_SWEPT = "orphans of workers are adopted and ended at every level"
_KERNEL = "it depends on how this kernel was built and configured"

PROGRAMS: tuple[Program, ...] = (
    # -- B: imports and configuration
    _program("b03_startup_files", "B03 B04", "start-up files beside the submission", "fails", _CLEAN_START),
    _program("b06_import_without_end", "B06", "an import that never ends", "fails", _SAME_CLOCK, seconds=0.4),
    _program(
        "b07_hooks_for_the_next", "B07", "import hooks and false modules", "fails", _OWN_PROCESS, witness=True
    ),
    _program(
        "b08_imports_our_names", "B08", "packages named grader, reference and tests", "fails", _OWN_PROCESS
    ),
    _program("b12_installs", "B12", "setup.py and programs while grading"),
    _program("b13_environment", "B13 X07", "secrets in the environment", "fails", _CLEAN_START),
    # -- C: forging and reaching at run time
    _program("c09_searches_memory", "C09 C10", "a search of the worker's memory", "fails", _NEVER_THERE),
    _program("c10_imports_reference", "C10 B08", "an import of the reference from its folder"),
    _program("c11_reads_memory", "C11", "another process's memory, read", "depends", _TRACING),
    _program("c11_writes_memory", "C11", "another process's memory, written", "depends", _TRACING),
    _program("c12_proc_of_others", "C12", "/proc of other processes"),
    _program("c13_reads_files", "C13", "secrets, submissions and suites, opened in 14 ways"),
    _program("c14_inherited_descriptors", "C14", "descriptors that were left open", "fails", _CLEAN_START),
    _program("c15_poisons_libraries", "C15 B04", "files left for the next run"),
    _frames("answers_the_next_one", "answers before it is asked", seconds=1.0),
    _frames("answers_twice", "answers twice"),
    _frames("answers_another", "answers another request"),
    _frames("answers_with_other_ids", "answers with a float as id", which="float"),
    _frames("answers_with_other_ids", "answers with a text as id", which="text"),
    _frames("answers_with_other_ids", "answers with null as id", which="null"),
    _frames("answers_with_other_ids", "answers with a list as id", which="list"),
    _frames("asks_without_a_probe", "asks what only a probe may ask"),
    _frames("writes_from_a_thread", "answers ahead from a thread", pause_s="0.3"),
    _frames("floods_the_pipe", "fills the pipe with frames", seconds=1.0),
    _frames("never_reads", "answers once and never reads again", rows="R10", seconds=0.4),
    _frames("answers_slowly", "one byte of an answer at a time", rows="R11", seconds=0.4),
    _frames("announces_and_waits", "announces an answer that never comes", rows="R11", seconds=0.4),
    _program("c28_rewrites_submission", "C28", "the submission, rewritten while it is graded"),
    _program("c29_plants_links", "C29", "links, pipes and devices in a shared folder"),
    # -- D: the answer without the work
    _program("d01_imports_libraries", "D01", "libraries that would do the homework"),
    _program("d02_compiles", "D02", "compilers, interpreters and shells"),
    # -- R: resources
    _program("r01_forks", "R01", "child processes in 7 ways"),
    _program("r02_threads", "R02", "threads with tiny stacks", "fails", _WATCHED),
    _program("r03_memory", "R03", "twice the memory that is allowed", "fails", _SAME_LIMITS),
    _program("r03_memory_elsewhere", "R03", "memory that no limit of a process counts"),
    _program("r04_lazy_arrays", "R04", "a TiB that is never touched", "fails", _SAME_LIMITS),
    _program("r05_spins", "R05", "endless computing in C", "fails", _SAME_CLOCK, seconds=0.4),
    _program("r06_deadlocks", "R06", "a deadlock", "fails", _SAME_CLOCK, seconds=0.4),
    _program(
        "r07_ignores_signals", "R07", "every signal ignored and blocked", "fails", _SAME_CLOCK, seconds=0.4
    ),
    _program("r08_daemon", "R08", "a daemon in a session of its own", "fails", _SWEPT),
    _program("r09_floods_output", "R09", "output without end", "fails", _SAME_LIMITS),
    _program("r12_fills_the_disk", "R12", "a file wherever one can be"),
    _program("r13_fills_the_inodes", "R13", "many empty files"),
    _program("r14_descriptors", "R14", "thousands of descriptors", "fails", _SAME_LIMITS),
    _program("r15_raises_limits", "R15 R14 R03", "its own limits, lifted", "depends", _ROOT_ONLY),
    _answers("one", "R17", "one array over the budget"),
    _answers("many", "R17", "many arrays over the budget"),
    _answers("deep", "R17", "lists 100,000 deep"),
    _answers("wide", "R17", "24 MB of text"),
    _program("r18_recursion", "R18", "recursion through the C stack", "fails", _OWN_PROCESS),
    _program("r19_sabotages_others", "R19", "a neighbour slowed, stopped and ended"),
    _program("r19_shared_names", "R19", "names that processes share"),
    # -- X: talking to the outside
    _program("x01_tcp", "X01 D13", "TCP, by sockets and by libraries"),
    _program("x02_packets", "X02", "UDP, raw packets and kernel sockets"),
    _program("x03_local_sockets", "X03", "sockets of this machine"),
    _program("x04_io_uring", "X04", "io_uring and its elder", "depends", _KERNEL),
    _program("x05_kernel_surface", "X05", "37 doors of the kernel"),
    _program(
        "x06_i386",
        "X06",
        "system calls of i386",
        "depends",
        _KERNEL,
        file="x06_other_numbers",
        options={"variant": "i386"},
    ),
    _program(
        "x06_x32",
        "X06",
        "system calls of x32",
        "depends",
        _KERNEL,
        file="x06_other_numbers",
        options={"variant": "x32"},
    ),
    _pickle("object"),
    _pickle("array"),
    _pickle("bytes"),
    _pickle("text"),
    _pickle("void"),
    _pickle("record"),
    _pickle("list"),
    # -- outside the catalogue
    _program("own_truncates_by_opening", "own", "files emptied without opening them to write"),
    _program("own_changes_metadata", "own", "times, rights, owners and attributes of files"),
    _program("own_watches_folders", "own", "inotify, fanotify and dnotify on our folders"),
    _program(
        "own_passes_descriptors",
        "own",
        "descriptors and urgent bytes through the pipe",
        "fails",
        _SAME_PROTOCOL,
    ),
    _program("own_signals_by_descriptor", "own", "signals that the kernel sends for a descriptor"),
    _program(
        "own_types_into_terminal", "own", "terminals, consoles and the kernel's log", "depends", _ROOT_ONLY
    ),
    _program("own_runs_from_memory", "own", "programs that are in no file"),
    _program("own_reaches_into_parent", "own", "descriptors of processes, and what they allow"),
    _program("own_opens_by_handle", "own", "files opened by number", "depends", _ROOT_ONLY),
    _program("own_changes_personality", "own", "what holds the worker, undone"),
    _program("own_moves_pages", "own", "pages moved through pipes"),
    _program("own_grants_itself_landlock", "own", "a wider set of Landlock rules"),
    _program("own_reads_devices", "own", "devices, /proc and /sys"),
    _program("own_measures_the_page_cache", "own", "what the grader read, by what is in memory"),
    _program("own_lists_folders", "own", "names of other submissions, in 9 ways"),
    _bent("closed", "closed"),
    _bent("replaced", "replaced by a pipe"),
    _bent("loops", "replaced by a device"),
    _bent("onto_output", "put in place of standard output"),
    _bent("output_onto_it", "overlaid by standard output"),
    _bent("dumps", "given to faulthandler"),
    _bent("crashes", "given to faulthandler in a crash"),
    _bent("duplicated", "written through 20 copies"),
    _bent("non_blocking", "made non-blocking"),
    _bent("by_input", "read as standard input", seconds=0.4),
    _edited("encoder", "dtypes that must not cross"),
    _edited("limits", "limits lifted"),
    _edited("shapes", "shapes that announce 8 TiB"),
    _edited("session", "a session that answers by itself"),
    _edited("tracing", "a tracer in every frame"),
    _edited("fault", "faults of the wrong types"),
    _edited("step", "a fault in a step that is not there"),
    _edited("collector", "the request's number"),
    _program("own_outlives_its_end", "own", "something to do after the end", "fails", _KILLED),
    _program("own_takes_locks", "own", "locks on files of ours"),
    _program("own_keeps_keys", "own", "keys left in the kernel", "depends", _KERNEL),
    _program("own_peeks_ahead", "own", "memory nobody cleared", "fails", _NEVER_THERE),
    _program("own_spoofs_output", "own", "verdicts and commands on standard output", "fails", _SAME_PROTOCOL),
    _program(
        "own_slows_its_own_clock",
        "own",
        "a hundred threads that keep the first from running",
        "fails",
        _SAME_CLOCK,
        seconds=1.0,
    ),
    _killed("by_kill", "SIGKILL from itself"),
    _killed("by_thread", "SIGKILL from itself, to its thread"),
    _killed("by_group", "SIGKILL to its group"),
    _killed("by_status", "the exit status of a killed process", "fails", _SAME_PROTOCOL),
    _killed("by_word", "the same, past Python", "fails", _SAME_PROTOCOL),
    _killed("by_limit", "a limit of its own on processor time", "depends", _CPU),
    _strange("exception", "an exception that cannot be shown"),
    _strange("group", "a group of exits"),
    _strange("type", "a class that lies about its name"),
    _strange("numbers", "numbers at every edge"),
    _strange("texts", "texts that no terminal should get"),
    _strange("tags", "our own tags as keys"),
    _strange("cycle", "a list that holds itself"),
)
