"""A class of strangers: right, wrong, hanging, crashing, hostile and broken submissions, from one seed.

The same seed and count give the same files, so that a row that went missing can be looked for again.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fixtures import build
from grader.selftest.archives import hostile_archives
from grader.selftest.mutants import Mutant, mutants_of

REPOSITORY = Path(__file__).resolve().parents[1]
REFERENCE = REPOSITORY / "reference"
PROGRAMS = REPOSITORY / "fixtures" / "attacks" / "programs"
ACTIVATION = "mytorch/nn/modules/activation.py"
OPTIMISER = "mytorch/nn/optim.py"
Files = Mapping[str, bytes]

# Of fixtures: these stop at a limit, which takes a minute; these take the interpreter with them.
_HANGING = ("tanh_never_returns",)
_CRASHING = ("sigmoid_crashes_the_interpreter", "sgd_exits", "mse_fills_the_memory", "relu_floods_the_output")
# What a method does instead of its work, as its first statement.
HANGS = ("while True: pass", "import time; time.sleep(10_000)")
CRASHES = (
    "import os; os.abort()",
    "import ctypes; ctypes.string_at(0)",
    "import sys; sys.exit(0)",
    "import os; os._exit(0)",
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "import sys; sys.setrecursionlimit(10**9); f = lambda: f(); f()",
)
# Programs that only wait or fill something until a limit ends them: their time would be all that is measured.
_SLOW_PROGRAMS = (
    *(
        "b06_import_without_end",
        "endless",
        "frame",
        "nothing",
        "witness",
        "c16_frames",
        "r03_memory_elsewhere",
    ),
    *("r05_spins", "r06_deadlocks", "r07_ignores_signals", "r12_fills_the_disk", "r13_fills_the_inodes"),
)
_WRAPPED = """
import sys
import mytorch.attacks, mytorch.attacks.means
sys.modules["attacks"], sys.modules["attacks.means"] = mytorch.attacks, mytorch.attacks.means
class Facts(dict):
    __missing__ = lambda self, key: "1"
try:
    from mytorch.attacks.{name} import attack
    attack(Facts(python=sys.executable, tcp_port=9))
except Exception:
    pass
"""
_LONGEST_NAME = 240  # bytes, which leaves room for a suffix
NAMES = (
    "two\nlines {number}",
    "\u202eeman sdrawkcab {number}",
    "=HYPERLINK(0) {number}",
    "<b>&amp; 'quoted' \"{number}\"",
    "-rf {number}",
    "..{number}",
    "\u0416\u0443\u0440\u043d\u0430\u043b {number}",
    "\x1b[2Jcleared {number}",
    "{long}{number}",
)


@dataclass(frozen=True, slots=True)
class HandedIn:
    """One submission: the files of a folder, or the bytes of a zip."""

    kind: str
    content: Files | bytes = field(repr=False)


def handed_in(count: int, seed: int) -> Iterator[HandedIn]:
    """Yield so many submissions in a mixed order; of as many as there are kinds, each kind at least once."""
    chance = random.Random(seed)  # noqa: S311 -- nothing secret
    kinds = [*KINDS]
    often = [weight for weight, _ in KINDS.values()]
    drawn = kinds[:count] + chance.choices(kinds, often, k=max(0, count - len(kinds)))
    # A hanging one costs its limits, a minute each: a class has a few.
    most = max(1, count // 100)
    hanging = 0
    for place, kind in enumerate(drawn):
        hanging += kind == "hanging"
        if kind == "hanging" and hanging > most:
            drawn[place] = "wrong"
    chance.shuffle(drawn)
    for kind in drawn:
        yield HandedIn(kind, KINDS[kind][1](chance))


def write_class(folder: Path, count: int, seed: int) -> dict[str, str]:
    """Write a class into a folder; return the kind of each by its file's name."""
    chance = random.Random(seed + 1)  # noqa: S311 -- as above
    folder.mkdir(parents=True)
    kinds = {}
    for number, each in enumerate(handed_in(count, seed)):
        name = f"student-{number:04}"
        if number % 12 == 0:
            name = hostile_name(number, chance)
        kinds[_written(folder, name, each, as_zip=chance.random() < 0.5)] = each.kind
    return kinds


def hostile_name(number: int, chance: random.Random) -> str:
    """Return a name that somebody gave a file to see what it breaks."""
    return chance.choice(NAMES).format(number=number, long="x" * (_LONGEST_NAME - 10))


def zipped(files: Files) -> bytes:
    """Return files as the bytes of a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, build.ZIP_EPOCH), content)
    return buffer.getvalue()


def right_files() -> dict[str, bytes]:
    """Return the files of the reference's package."""
    package = REFERENCE / "mytorch"
    return {
        str(path.relative_to(REFERENCE).as_posix()): path.read_bytes()
        for path in sorted(package.rglob("*.py"))
    }


def doing(statement: str, *, method: str = "forward") -> dict[str, bytes]:
    """Return right files in which a method does something else when it is called: ReLU's, or SGD's `step`."""
    files = right_files()
    place = {"forward": ACTIVATION, "step": OPTIMISER}[method]
    head, found, tail = files[place].decode().partition(f"def {method}(self")
    assert found, f"the reference has a method {method}"
    rest, _, body = tail.partition(":\n")
    files[place] = f"{head}{found}{rest}:\n        {statement}\n{body}".encode()
    return files


def _written(folder: Path, name: str, each: HandedIn, *, as_zip: bool) -> str:
    content = each.content
    if isinstance(content, bytes) or as_zip:
        path = folder / f"{name}.zip"
        path.write_bytes(content if isinstance(content, bytes) else zipped(content))
        return path.name
    (folder / name).mkdir()
    for inside, data in content.items():
        path = folder / name / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return name


def _fixture(name: str) -> dict[str, bytes]:
    return {str(path): content for path, content in build.compose(name).items()}


def _of_its_own(files: dict[str, bytes], chance: random.Random) -> dict[str, bytes]:
    """Give files other bytes than anybody else's, as students' are."""
    name = next(name for name in files if name.endswith(".py"))
    return {**files, name: files[name] + f"\n# {chance.getrandbits(64)}\n".encode()}


def _right(chance: random.Random) -> Files:
    names = [name for name in build.names() if name.startswith("right_")]
    return _of_its_own(_fixture(chance.choice(names)), chance)


def _wrong(chance: random.Random) -> Files:
    not_wrong = ("right_", *_HANGING, *_CRASHING)
    return _fixture(chance.choice([name for name in build.names() if not name.startswith(not_wrong)]))


def _mutant(chance: random.Random) -> Files:
    chosen = chance.choice(_mutants())
    return {**right_files(), chosen.file: chosen.source.encode()}


@cache
def _mutants() -> list[Mutant]:
    return [mutant for mutant in mutants_of(REFERENCE) if mutant.file.startswith("mytorch")]


def _hostile_program(chance: random.Random) -> Files:
    names = [path.stem for path in sorted(PROGRAMS.glob("*.py")) if not path.stem.startswith("__")]
    name = chance.choice([name for name in names if name not in _SLOW_PROGRAMS])
    files = right_files()
    for path in (PROGRAMS / f"{name}.py", *sorted((PROGRAMS / "means").glob("*.py"))):
        files[f"mytorch/attacks/{path.relative_to(PROGRAMS).as_posix()}"] = path.read_bytes()
    files["mytorch/attacks/__init__.py"] = b""
    files[ACTIVATION] = _WRAPPED.format(name=name).encode() + files[ACTIVATION]
    return files


def _cut_off(chance: random.Random) -> bytes:
    whole = zipped(right_files())
    return whole[: chance.randrange(len(whole))]


def _noisy(chance: random.Random) -> bytes:
    data = bytearray(zipped(right_files()))
    for _ in range(20):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def _names_inside(chance: random.Random) -> bytes:
    name = chance.choice(("n" * 300, "\u202eyp.xe", "line\nbreak", "/etc/passwd", "../../up"))
    return zipped({**right_files(), f"mytorch/{name}.py": b"x = 1\n"})


# How often each kind is drawn, and what makes one.
KINDS: Mapping[str, tuple[int, Callable[[random.Random], Files | bytes]]] = {
    "right": (35, _right),
    "wrong": (25, _wrong),
    "mutant": (12, _mutant),
    "hanging": (1, lambda chance: doing(chance.choice(HANGS))),
    "crashing": (6, lambda chance: doing(chance.choice(CRASHES))),
    "crashing fixture": (2, lambda chance: _of_its_own(_fixture(chance.choice(_CRASHING)), chance)),
    "hostile program": (8, _hostile_program),
    "hostile archive": (4, lambda chance: chance.choice(hostile_archives()).data),
    "names inside": (2, _names_inside),
    "empty zip": (1, lambda _: zipped({})),
    "empty folder": (1, lambda _: {}),
    "cut off": (2, _cut_off),
    "noise in a zip": (1, _noisy),
    "same as others": (2, lambda _: right_files()),
    "bomb": (1, lambda _: next(each.data for each in hostile_archives() if each.id == "a10_flat_bomb")),
}
