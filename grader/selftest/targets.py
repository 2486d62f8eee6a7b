"""What attacks are after: planted secrets, ears on every kind of socket, neighbours that can be harmed."""

from __future__ import annotations

import contextlib
import secrets
import select
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from grader import settings

COMPANION_FILE = Path(__file__).with_name("companion.py")
_LIBRARIES = Path(np.__file__).resolve().parents[1]
PREFIX = "planted-"
ANSWER_SECONDS = 5.0
_HOSTILE_SURROUNDINGS = "surroundings"


def new_token() -> str:
    """Make a text that is nowhere else on this machine."""
    return PREFIX + secrets.token_hex(12)


class Companion:
    """A process of the same user beside the worker, with a secret in its memory and its environment."""

    def __init__(self, target: Path) -> None:
        self._secret = new_token()
        self._in_environment = new_token()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(COMPANION_FILE), str(target)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={"COMPANION": self._in_environment},
        )
        first = self._ask(self._secret)
        if first is None:
            self.close()
            raise ChildProcessError("a companion process for the attacks did not start")
        self.address, self.descriptor = (int(word) for word in first.split())

    @property
    def process_id(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def tokens(self) -> dict[str, str]:
        """Its secrets, each with the words for it."""
        return {
            self._secret: "the memory of another process",
            self._in_environment: "the environment of another process",
        }

    @property
    def length(self) -> int:
        """How many bytes the secret in memory has."""
        return len(self._secret)

    def harm(self) -> str | None:
        """Say what is wrong with it, if anything."""
        if self._process.poll() is not None:
            return f"the process beside was ended (status {self._process.returncode})"
        answer = self._ask("?")
        if answer is None:
            return "the process beside does not answer any more"
        if bytes.fromhex(answer) != self._secret.encode():
            return "the memory of the process beside was changed"
        return None

    def close(self) -> None:
        """End it, stopped or not."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, line: str) -> str | None:
        stdin, stdout = pipe_of(self._process.stdin), pipe_of(self._process.stdout)
        try:
            stdin.write(f"{line}\n")
            stdin.flush()
        except OSError:
            return None
        readable, _, _ = select.select([stdout], [], [], ANSWER_SECONDS)
        return (stdout.readline().strip() or None) if readable else None


class Ears:
    """Sockets of every kind that a worker might try to talk to; nothing is read before it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ear"
        self.abstract = f"{PREFIX}{secrets.token_hex(8)}"
        self._sockets = {
            "a TCP connection": _listening(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "a UDP packet": _listening(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "a connection to a socket in a folder": _listening(
                socket.AF_UNIX, socket.SOCK_STREAM, str(self.path)
            ),
            "a connection to an abstract socket": _listening(
                socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.abstract}"
            ),
        }
        self.path.chmod(0o777)

    @property
    def tcp_port(self) -> int:
        """Where TCP is listened to, on 127.0.0.1."""
        return int(self._sockets["a TCP connection"].getsockname()[1])

    @property
    def udp_port(self) -> int:
        """Where UDP is listened to, on 127.0.0.1."""
        return int(self._sockets["a UDP packet"].getsockname()[1])

    def heard(self) -> list[str]:
        """Take what has come in since the last time, in words."""
        words = []
        while ready := select.select(list(self._sockets.values()), [], [], 0)[0]:
            for name, ear in self._sockets.items():
                if ear in ready:
                    words.append(f"{name} arrived")
                    _take(ear)
        return words

    def close(self) -> None:
        """Close them all."""
        for ear in self._sockets.values():
            ear.close()


@dataclass(frozen=True, slots=True)
class Targets:
    """Everything that was planted. `tokens` maps what must never come back to the words for where it was."""

    folder: Path
    submission: Path
    nonce: str
    tokens: dict[str, str]
    keeper: Companion
    bystander: Companion
    ears: Ears
    secret: Path
    sibling: Path
    shared: Path
    home: Path
    outside: tuple[Path, ...]

    def facts(self) -> dict[str, Any]:
        """Return all that an attack program is told: more than a real attacker would know."""
        return {
            "nonce": self.nonce,
            "prefix": PREFIX,
            "submission": str(self.submission),
            "secret": str(self.secret),
            "sibling": str(self.sibling),
            "siblings": str(self.sibling.parent),
            "shared": str(self.shared),
            "home": str(self.home),
            "outside": [str(folder) for folder in self.outside],
            "ours": [str(path) for path in _files_of_ours()],
            "reference": str(settings.resource("reference")),
            "python": sys.executable,
            "libraries": [str(_LIBRARIES), *sorted({sysconfig.get_path("purelib")})],
            "keeper": self.keeper.process_id,
            "keeper_address": self.keeper.address,
            "keeper_length": self.keeper.length,
            "keeper_descriptor": self.keeper.descriptor,
            "bystander": self.bystander.process_id,
            "tcp_port": self.ears.tcp_port,
            "udp_port": self.ears.udp_port,
            "socket_path": str(self.ears.path),
            "socket_name": self.ears.abstract,
        }


@contextlib.contextmanager
def planted(programs: Path) -> Iterator[Targets]:
    """Plant everything in a new folder, with the hostile programs as a submission, and take it away again."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="grader-attacks-")))
        folder.chmod(0o755)  # file modes must not be what protects, not even from another user
        tokens: dict[str, str] = {}
        secret = _planted_file(folder / "secrets" / "answers.txt", tokens, "a secret file")
        keeper, bystander = (stack.enter_context(_open_companion(secret)) for _ in range(2))
        tokens |= keeper.tokens | bystander.tokens | _marks_of_ours()
        sibling = folder / "submissions" / "sibling"
        _planted_file(sibling / "mytorch" / "linear.py", tokens, "another submission")
        # Attackers know the sibling's path, but not the name of this one.
        named = f"student-{new_token()}"
        (sibling.parent / named).mkdir()
        tokens[named] = "the name of another submission"
        shared, home = folder / "shared", folder / "home"
        for place in (shared, home):
            (place / "inner").mkdir(parents=True)
            (place / "file.txt").write_text("as it was\n", encoding="utf-8")
        for path in (shared, *shared.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        yield Targets(
            folder=folder,
            submission=_write_submission(folder / "submissions" / "attacker", programs),
            nonce=f"grader-attack-{secrets.token_hex(6)}",
            tokens=tokens,
            keeper=keeper,
            bystander=bystander,
            ears=stack.enter_context(contextlib.closing(Ears(folder))),
            secret=secret,
            sibling=sibling,
            shared=shared,
            home=home,
            outside=_outside_folders(),
        )


def _files_of_ours() -> list[Path]:
    """Return the reference solution's files and the hidden suites, as they are on this machine."""
    reference = settings.resource("reference") / "mytorch"
    suites = Path(__file__).parents[1] / "assignments"
    return [*sorted(reference.rglob("*.py")), *sorted(suites.rglob("hidden/test_*.py"))]


def _marks_of_ours() -> dict[str, str]:
    """Return the longest line of each such file: where one comes back, the file was read."""
    lines = {path: path.read_text(encoding="utf-8").splitlines() for path in _files_of_ours()}
    marks = {max(lines[path], key=len, default="").strip(): f"our {path.name}" for path in lines}
    return {mark: words for mark, words in marks.items() if len(mark) > 40}


@contextlib.contextmanager
def _open_companion(target: Path) -> Iterator[Companion]:
    companion = Companion(target)
    try:
        yield companion
    finally:
        companion.close()


def _planted_file(path: Path, tokens: dict[str, str], words: str) -> Path:
    token = new_token()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {token}\n", encoding="utf-8")
    tokens[token] = words
    return path


def _write_submission(root: Path, programs: Path) -> Path:
    """Lay out a submission whose Linear runs the program it is told to, in hostile surroundings."""
    shutil.copytree(programs / _HOSTILE_SURROUNDINGS, root)
    ignored = shutil.ignore_patterns(_HOSTILE_SURROUNDINGS, "__pycache__")
    shutil.copytree(programs, root / "attacks", ignore=ignored)
    return root


def _outside_folders() -> tuple[Path, ...]:
    """Return folders of this machine that start-up files or other graders would be in."""
    named = [Path(name) for name in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/")]  # noqa: S108
    named += [Path(sysconfig.get_path(name)) for name in ("purelib", "stdlib")]
    named += [Path(tempfile.gettempdir()), _LIBRARIES, Path.home(), Path.cwd()]
    found = dict.fromkeys(path.resolve() for path in named)
    return tuple(folder for folder in found if folder.is_dir())


def _listening(family: int, kind: int, address: object) -> socket.socket:
    ear = socket.socket(family, kind)
    ear.bind(address)  # type: ignore[arg-type]
    if kind == socket.SOCK_STREAM:
        ear.listen()
    return ear


def _take(ear: socket.socket) -> None:
    if ear.type == socket.SOCK_DGRAM:
        ear.recv(1 << 16)
    else:
        ear.accept()[0].close()


def pipe_of(stream: IO[str] | None) -> IO[str]:
    """Return a stream of a process that was started with a pipe for it."""
    if stream is None:  # only to tell mypy
        raise AssertionError
    return stream
