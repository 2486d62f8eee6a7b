"""A notebook's kernel in the worker: IPython's shell without Jupyter, plots and values as data.

There is no socket, no other process and no network: whatever a cell wants of those is answered here, in one
sentence. What cells leave behind is kept for each question as it was after the question's last cell.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import signal
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from . import cell_names, libraries, seeding, tensors
from .protocol import Json
from .session import Separately, Session, describe_fault

MAX_MESSAGES = 2000  # of one cell
MAX_CHARACTERS = 600_000  # of all messages of one cell
KEEP_CHARACTERS = 100_000  # of the beginning, and of the end, of one stream
MAX_MIME_CHARACTERS = 32_000
TEXT_TYPES = frozenset({"text/plain", "text/html", "text/markdown", "text/latex"})
# Taken along in one harvest without being asked for.
HARVEST_VALUES, HARVEST_BYTES = 15_000, 40 << 20
HIDDEN_NAMES = frozenset({"In", "Out", "get_ipython", "exit", "quit", "open"})
NO_PROGRAMS = "is not run here: a notebook is replayed where no program can be started"
NO_INPUT = "input() has nobody to ask when a notebook is replayed; put the value into the cell"
LAID_DOWN = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_CONSTANT_PARTS = (
    *(ast.Constant, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.List, ast.Set, ast.Dict),
    *(ast.operator, ast.unaryop, ast.expr_context),
)


def serve(session: Session, root: str, wanted: Mapping[str, Any]) -> None:
    """Let a session run a notebook in the scratch folder `root`."""
    session.add_steps(Kernel(session, root, wanted).steps())


class Kernel:
    """The state of one notebook: its shell, and what each question left behind."""

    def __init__(self, session: Session, root: str, wanted: Mapping[str, Any]) -> None:
        self._session = session
        self._root = root
        self._wanted = wanted
        self._shell: Any = None
        self._torch: Any = None
        self._figures_module: Any = None
        self._record = Record()
        self._left_behind: dict[str, dict[str, object]] = {}
        self._names: dict[str, dict[str, object]] = {}  # all of them, modules too, after each question
        self._found: dict[str, dict[str, object]] = {}  # by each question, before its first cell

    def steps(self) -> dict[str, Callable[..., object]]:
        """Return the steps of a request that a notebook adds."""
        return {
            "seed": self._seed,
            "read_names": cell_names.read_names,
            "prepare": self._prepare,
            "execute": self._execute,
            "lay_down": self._lay_down,
            "harvest": self._harvest,
            "fetch": self._fetch,
            "predict": self._with_names(tensors.predict),
            "describe_model": self._with_names(tensors.describe_model),
            "call_with_tensors": self._with_names(tensors.call_with_tensors),
        }

    # ---------------------------------------------------------------------------------- start

    def _prepare(self, home: str) -> dict[str, object]:
        """Load the libraries and make the shell, with a new folder `home` for settings; return what they are.

        Nothing is read from the scratch folder meanwhile: an earlier worker's cells may have written there.
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        home = os.path.join(self._root, home)  # noqa: PTH118
        self._settle_in(home)
        libraries.load(self._wanted["preload"])  # or a zygote did: what cells find is the same
        self._torch = importlib.import_module("torch")
        self._torch.manual_seed(self._wanted["seed"])
        self._torch.set_num_threads(self._wanted["threads"])  # of its own products; NumPy keeps to one
        if self._wanted["data"] is not None:
            served: Any = importlib.import_module("_grader_worker.served")
            served.install(self._wanted["data"], fast=self._wanted["fast_data"])
        with contextlib.suppress(Exception):
            _use_plain_progress_bars()
        self._figures_module = importlib.import_module("_grader_worker.figures")
        self._figures_module.settle_in()
        self._figures_module.when_shown(self._record.figure)
        self._shell = make_shell(self._root, self._record, home)
        os.chdir(self._root)
        return {"torch": str(self._torch.__version__), "cuda": bool(self._torch.cuda.is_available())}

    def _settle_in(self, home: str) -> None:
        """Make a new folder the place for settings and temporary files, and for now the current one."""
        os.mkdir(home)  # noqa: PTH102
        os.chdir(home)
        os.environ |= {"HOME": home, "MPLCONFIGDIR": home, "IPYTHONDIR": home, "TMPDIR": home}
        os.environ["MPLBACKEND"] = "module://_grader_worker.figures"
        tempfile.tempdir = home
        builtins.input = _no_input

    def _seed(self, value: int) -> None:
        seeding.seed_everything(value)
        if self._torch is not None:
            self._torch.manual_seed(value)

    # ---------------------------------------------------------------------------------- cells

    def _execute(self, source: np.ndarray, position: int, questions: Sequence[str]) -> dict[str, object]:
        """Run one cell and return its messages (JSON as bytes), its figures and its fault."""
        for question in questions:
            self._found.setdefault(question, dict(self._shell.user_ns))
        record, name = self._record, f"{self._root}{os.sep}cell {position + 1}"
        record.clear()
        self._shell.name_of_cell = name
        with record.streams(), _interruptible():
            result = self._shell.run_cell(source.tobytes().decode(), store_history=True)
        fault = result.error_before_exec or result.error_in_exec
        figures = self._figures()
        described = None if fault is None else self._described(fault)
        # The shell keeps the last traceback, and with it all that its frames hold.
        sys.last_traceback = sys.last_value = sys.last_type = None
        messages = np.frombuffer(record.as_json(), dtype=np.uint8)
        return {"messages": messages, "figures": figures, "fault": described}

    def _described(self, fault: BaseException) -> dict[str, Json]:
        described = describe_fault(fault, self._root)
        # torch says in its own ways that there is no more memory.
        if described["type"] == "OutOfMemoryError" or "can't allocate memory" in described["message"]:
            described["kind"] = "memory"
        return described

    def _figures(self) -> list[dict[str, object]]:
        try:
            return self._figures_module.take_cell()  # type: ignore[no-any-return]
        except Exception:  # noqa: BLE001 -- a figure that cannot be looked at is no figure
            return []

    def _lay_down(self, source: np.ndarray, position: int, questions: Sequence[str]) -> None:
        """Run of a cell only its imports, functions, classes and plain constants; what fails is left out."""
        for question in questions:
            self._found.setdefault(question, dict(self._shell.user_ns))
        name = f"{self._root}{os.sep}cell {position + 1}"
        with contextlib.suppress(SyntaxError):
            tree = ast.parse(self._shell.transform_cell(source.tobytes().decode()), filename=name)
            with self._record.streams():
                for statement in filter(_is_laid_down, tree.body):
                    self._run_quietly(statement, name)
        self._record.clear()

    def _run_quietly(self, statement: ast.stmt, name: str) -> None:
        with contextlib.suppress(Exception):
            code = compile(ast.Module([statement], []), name, "exec")
            exec(code, self._shell.user_ns)  # noqa: S102 -- a cell of the notebook, which is what this is for

    # -------------------------------------------------------------------------------- harvest

    def _harvest(self, question: str) -> Separately:
        """Keep what there is now for a question; return the values that are small enough to take along.

        Those that are not are named under "later" and fetched when they are asked for; "bound" are the names
        that were bound anew since the question's first cell.
        """
        names = {name: value for name, value in self._shell.user_ns.items() if _is_of_interest(name, value)}
        self._left_behind[question] = names
        self._names[question] = dict(self._shell.user_ns)
        taken: dict[str, object] = {}
        later: list[str] = []
        left = [HARVEST_VALUES, HARVEST_BYTES]
        for name, value in names.items():
            converter = tensors.Converter(
                max_values=min(tensors.MAX_VALUES, left[0]), max_bytes=min(tensors.MAX_BYTES, left[1])
            )
            try:
                taken[name] = converter.convert(value)
            except Exception:  # noqa: BLE001 -- too large, or of a class that fails when it is looked at
                later.append(name)
            else:
                left = [left[0] - converter.values, left[1] - converter.size]
        found = self._found.pop(question, {})
        bound = [name for name, value in names.items() if found.get(name, self) is not value]
        return Separately({"values": Separately(taken), "later": later, "bound": bound})

    def _fetch(self, question: str, name: str) -> object:
        """Return a value that was left out of a harvest."""
        return tensors.Converter().convert(self._left_behind[question][name])

    def _with_names(self, step: Callable[..., object]) -> Callable[..., object]:
        """Let a step run with the names bound as they were after a question's last cell.

        A function looks its names up when it is called: an `nn` that is torch's in Problem 5 and mytorch's in
        Problem 6 must be torch's again when a class of Problem 5 is asked for an object.
        """

        def run(as_of: str, **arguments: object) -> object:
            with self._names_after(as_of):
                return step(**arguments)

        return run

    @contextlib.contextmanager
    def _names_after(self, question: str) -> Iterator[None]:
        names = self._shell.user_ns  # the dict itself is what functions hold
        if (then := self._names.get(question)) is None:
            yield
            return
        now = dict(names)
        names.clear()
        names.update(then)
        try:
            yield
        finally:
            then.clear()
            then.update(names)  # what is called may keep something in a global
            names.clear()
            names.update(now)


def _is_of_interest(name: object, value: object) -> bool:
    if type(name) is not str or name.startswith("_") or name in HIDDEN_NAMES or not name.isidentifier():
        return False
    return type(value) is not types.ModuleType and len(name) < 100


def _is_laid_down(statement: ast.stmt) -> bool:
    if isinstance(statement, LAID_DOWN):
        return True
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None:
        return False
    return all(isinstance(node, _CONSTANT_PARTS) for node in ast.walk(statement.value))


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let what runs here be interrupted, and nothing of ours around it."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _no_input(*_: object) -> str:
    raise EOFError(NO_INPUT)


def _use_plain_progress_bars() -> None:
    """Have `tqdm.notebook` print, as there are no widgets."""
    plain: Any = importlib.import_module("tqdm")
    widgets: Any = importlib.import_module("tqdm.notebook")
    widgets.tqdm = widgets.tqdm_notebook = plain.tqdm
    widgets.trange = widgets.tnrange = plain.trange


# ------------------------------------------------------------------------------------ messages


class Record:
    """What one cell prints and displays, in order, within limits."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Json]] = []
        self._streams: dict[int, _Text] = {}
        self._characters = 0

    def clear(self) -> None:
        """Forget everything, for the next cell."""
        self._messages.clear()
        self._streams.clear()
        self._characters = 0

    @contextlib.contextmanager
    def streams(self) -> Iterator[None]:
        """Note what is printed."""
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = (
            _Stream(name, around, self) for name, around in zip(("stdout", "stderr"), before, strict=True)
        )
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before

    def printed(self, stream: str, text: str) -> None:
        """Note a piece of printed text."""
        last = self._messages[-1] if self._messages else {}
        if last.get("type") != "stream" or last.get("name") != stream:
            if not self._has_room():
                return
            self._messages.append({"type": "stream", "name": stream})
            self._streams[len(self._messages) - 1] = _Text()
        self._characters += self._streams[len(self._messages) - 1].add(text)

    def displayed(self, kind: str, data: Mapping[str, Any], transient: Mapping[str, Any] | None) -> None:
        """Note a display: texts as they are, up to a limit; of a picture only that it was there."""
        if not self._has_room():
            return
        kept = {str(mime)[:100]: _kept(str(mime), value) for mime, value in list(data.items())[:20]}
        self._characters += sum(map(len, kept.values()))
        identity = (transient or {}).get("display_id")
        shown = identity[:100] if isinstance(identity, str) else None
        self._messages.append({"type": kind, "data": kept, "display_id": shown})

    def figure(self, figure: Any) -> None:
        """Note that a figure was shown."""
        width, height = (int(size * figure.dpi) for size in figure.get_size_inches())
        text = f"<Figure size {width}x{height} with {len(figure.axes)} Axes>"
        self.displayed("display_data", {"text/plain": text, "image/png": b""}, None)

    def cleared(self, *, wait: bool) -> None:
        """Note that the cell's output so far is taken back."""
        if self._has_room():
            self._messages.append({"type": "clear_output", "wait": bool(wait)})

    def failed(self, name: str, text: str) -> None:
        """Note an exception."""
        self._messages.append({"type": "error", "ename": name[:200], "evalue": text[:4000]})

    def as_json(self) -> bytes:
        """Return the messages as JSON text."""
        for position, text in self._streams.items():
            self._messages[position]["text"] = text.whole()
        # Half a surrogate pair, in the text of an exception say, becomes a question mark.
        return json.dumps(self._messages, ensure_ascii=False).encode("utf-8", "replace")

    def _has_room(self) -> bool:
        return len(self._messages) < MAX_MESSAGES and self._characters < MAX_CHARACTERS


class _Text:
    """The beginning and the end of a text."""

    def __init__(self) -> None:
        self._first: list[str] = []
        self._first_left = KEEP_CHARACTERS
        self._last = ""
        self._left_out = 0

    def add(self, text: str) -> int:
        """Take in more; return how many characters are kept for good."""
        start = text[: self._first_left]
        if start:
            self._first.append(start)
            self._first_left -= len(start)
        rest = self._last + text[len(start) :]
        if len(rest) > 2 * KEEP_CHARACTERS:  # not at every piece
            self._left_out += len(rest) - KEEP_CHARACTERS
            rest = rest[-KEEP_CHARACTERS:]
        self._last = rest
        return len(start)

    def whole(self) -> str:
        """Return the text; where something is left out, it says so."""
        cut = f"\n[{self._left_out} characters are left out here]\n" if self._left_out else ""
        text = "".join(self._first) + cut + self._last
        return text.encode("utf-8", "replace").decode("utf-8")


class _Stream(io.TextIOBase):
    """Takes what a cell prints; all of it also goes where the worker's output goes, which is limited."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, name: str, around: Any, record: Record) -> None:
        super().__init__()
        self._name, self._around, self._record = name, around, record

    def write(self, text: str, /) -> int:
        self._record.printed(self._name, str(text))
        with contextlib.suppress(Exception):
            self._around.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(Exception):
            self._around.flush()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._around.fileno())

    @property
    def buffer(self) -> Any:
        return self._around.buffer


def _kept(mime: str, value: object) -> str:
    if mime not in TEXT_TYPES or not isinstance(value, str):
        return ""
    return value[:MAX_MIME_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


# --------------------------------------------------------------------------------------- shell


def make_shell(root: str, record: Record, home: str) -> Any:
    """Make the one IPython shell of this process, which answers locally whatever asks for a program."""
    config: Any = importlib.import_module("traitlets.config").Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.xmode = "Minimal"
    config.InteractiveShell.colors = "nocolor"
    publisher, hook = _display_classes(record)
    shell = _shell_class(record).instance(
        config=config,
        user_module=_main_module(root),
        display_pub_class=publisher,
        displayhook_class=hook,
        ipython_dir=home,
    )
    shell.compile.get_code_name = lambda *_: shell.name_of_cell
    _answer_magics(shell)
    _note_displayed_figures(shell)
    return shell


def _display_classes(record: Record) -> tuple[type, type]:
    """Return IPython's two ways of displaying, which note what they would show."""
    publishing: Any = importlib.import_module("IPython.core.displaypub")
    hooks: Any = importlib.import_module("IPython.core.displayhook")

    class Publisher(publishing.DisplayPublisher):  # type: ignore[misc]
        def publish(self, data: Any, *_: Any, transient: Any = None, update: bool = False, **__: Any) -> None:
            record.displayed("update_display_data" if update else "display_data", data, transient)

        def clear_output(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002 -- IPython's signature
            record.cleared(wait=wait)

    class Hook(hooks.DisplayHook):  # type: ignore[misc]
        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, format_dict: Any, _metadata: Any = None) -> None:
            record.displayed("execute_result", format_dict, None)

        def finish_displayhook(self) -> None:
            self._is_active = False

    return Publisher, Hook


def _shell_class(record: Record) -> Any:
    """Return IPython's shell, which notes exceptions and starts no program."""
    interactive: Any = importlib.import_module("IPython.core.interactiveshell")

    class Shell(interactive.InteractiveShell):  # type: ignore[misc]
        name_of_cell = ""

        def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
            del stb
            try:
                text = str(evalue)
            except BaseException:  # noqa: BLE001 -- __str__ is the student's
                text = "(its text could not be read)"
            record.failed(str(getattr(etype, "__name__", etype)), text)

        def system(self, command: str) -> None:
            print(answer_command(command))  # noqa: T201 -- it is what the cell prints

        system_piped = system_raw = system

        def getoutput(self, command: str, **_: Any) -> list[str]:
            return [answer_command(command)]

        def ask_exit(self) -> None:
            raise SystemExit

    return Shell


def _main_module(root: str) -> types.ModuleType:
    module = types.ModuleType("__main__", "The notebook.")
    sys.modules["__main__"] = module
    if root not in sys.path:
        sys.path.append(root)
    return module


def _answer_magics(shell: Any) -> None:
    def nothing(_line: str = "", _cell: str | None = None) -> None:
        return None

    def pip(line: str) -> None:
        print(answer_command(f"pip {line}"))  # noqa: T201

    def program(line: str = "", cell: str | None = None) -> None:
        print(answer_command(line or (cell or "").strip().partition("\n")[0]))  # noqa: T201

    def load_extension(line: str) -> None:
        try:
            shell.extension_manager.load_extension(line.strip())
        except Exception:  # noqa: BLE001 -- the notebook can do without it
            print(f"the extension {line.strip()} is not loaded here")  # noqa: T201

    magics = shell.magics_manager.magics
    for name in ("matplotlib", "config"):
        magics["line"][name] = nothing
    for name in ("pip", "conda", "mamba", "uv"):
        magics["line"][name] = pip
    for name in ("sx", "system"):
        magics["line"][name] = program
    for name in ("bash", "sh", "script", "sx", "system", "!", "perl", "ruby", "cmd"):
        magics["cell"][name] = program
    magics["line"]["load_ext"] = load_extension


def _note_displayed_figures(shell: Any) -> None:
    def as_picture(figure: Any) -> bytes:
        if (module := sys.modules.get("_grader_worker.figures")) is not None:
            module.note(figure)
        return b""

    formatter = shell.display_formatter.formatters["image/png"]
    formatter.for_type_by_name("matplotlib.figure", "Figure", as_picture)


def answer_command(command: str) -> str:
    """Answer what a cell wants a program for: `pip install` of what is there is fine, all else is not run."""
    words = command.split()
    if words[:1] in (["pip"], ["pip3"], ["conda"], ["uv"]) and "install" in words:
        return _answer_pip(words[words.index("install") + 1 :])
    if words[:3] == ["python", "-m", "pip"] and "install" in words:
        return _answer_pip(words[words.index("install") + 1 :])
    return f"`{' '.join(words)[:100]}` {NO_PROGRAMS}"


def _answer_pip(words: Sequence[str]) -> str:
    names = [re.split(r"[<>=!~\[;@]", word.strip("'\""))[0] for word in words if not word.startswith("-")]
    answers = []
    for name in filter(None, names):
        found = _is_there(name)
        answers.append(
            f"Requirement already satisfied: {name}"
            if found
            else f"{name} is not here, and nothing can be installed where a notebook is replayed"
        )
    return "\n".join(answers) or f"`pip install` {NO_PROGRAMS}"


def _is_there(name: str) -> bool:
    with contextlib.suppress(Exception):
        importlib.metadata.distribution(name)
        return True
    with contextlib.suppress(Exception):
        return importlib.util.find_spec(name.replace("-", "_")) is not None
    return False
