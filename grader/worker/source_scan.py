"""Read a submission's sources without running them, and list what a person should look at.

This runs in the worker, before any code of the student's: hostile text can crash or stall a parser. Nothing
here judges: a finding is a file, a line, a kind and the thing found; the trusted side makes it a sentence.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

Finding = tuple[str, int, str, str]  # file, line (0: the whole file), kind, what
Seen = Iterator[tuple[str, str]]  # kind, what

MOST_FINDINGS = 60
# The reference has 300 lines. What is larger than this is not parsed: Python's parser is quadratic in places.
LARGEST_SOURCE_BYTES, LARGEST_TOGETHER_BYTES = 64 << 10, 256 << 10
MANY_LINES, MANY_LINES_TOGETHER = 1_000, 3_000

ALLOWED_LIBRARIES = frozenset({"numpy"}) | sys.stdlib_module_names

# A module stands for everything in it; what is built in has no module.
USES = {
    "system_access": (
        "ctypes", "cffi", "subprocess", "socket", "multiprocessing", "posix", "pty", "mmap", "urllib",
        "http", "ftplib", "ssl", "os.system", "os.popen", "os.fork", "os.forkpty", "os.posix_spawn",
        "os.posix_spawnp", "os.startfile", "os.execl", "os.execle", "os.execlp", "os.execlpe", "os.execv",
        "os.execve", "os.execvp", "os.execvpe", "os.spawnl", "os.spawnle", "os.spawnlp", "os.spawnlpe",
        "os.spawnv", "os.spawnve", "os.spawnvp", "os.spawnvpe", "os.kill", "os.killpg", "numpy.f2py",
        "numpy.ctypeslib", "numpy.distutils",
    ),
    "hidden_code": (
        "exec", "eval", "compile", "__import__", "marshal", "base64", "binascii", "zlib", "gzip", "bz2",
        "lzma", "pickle", "dill", "shelve", "codecs.decode", "codecs.encode", "importlib", "zipimport",
        "runpy", "code", "codeop", "types.CodeType", "types.FunctionType",
    ),
    "introspection": (
        "inspect", "gc", "builtins", "__builtins__", "sys._getframe", "sys._current_frames",
        "sys.modules", "sys.settrace", "sys.setprofile", "sys.meta_path", "sys.path_hooks",
    ),
    "complex_numbers": (
        "complex", "cmath", "numpy.complex64", "numpy.complex128", "numpy.complex256", "numpy.csingle",
        "numpy.cdouble", "numpy.clongdouble", "numpy.imag",
    ),
    "shortcut": (
        "numpy.gradient", "numpy.polyfit", "numpy.polyder", "numpy.polynomial", "numpy.fft",
        "numpy.linalg.inv", "numpy.linalg.pinv", "numpy.linalg.solve", "numpy.linalg.lstsq",
        "numpy.linalg.tensorsolve", "numpy.linalg.tensorinv",
    ),
}  # fmt: skip
KIND_OF = {name: kind for kind, names in USES.items() for name in names}
BUILT_IN = frozenset({"exec", "eval", "compile", "__import__", "__builtins__", "complex", "setattr"})

# Attributes that mean one thing on whatever they are looked up.
KIND_OF_ATTRIBUTE = {
    "imag": "complex_numbers",
    **dict.fromkeys(("f_back", "f_locals", "f_globals", "tb_frame", "gi_frame", "cr_frame"), "introspection"),
    **dict.fromkeys(("__globals__", "__code__", "__closure__", "__subclasses__"), "introspection"),
}
ARITHMETIC = frozenset(
    f"__{name}__" for name in ("add", "sub", "mul", "truediv", "pow", "matmul", "neg", "radd", "rmul", "rsub")
)
POSES_AS_ARRAY = frozenset({"__array__", "__array_ufunc__", "__array_function__", "__array_interface__"})
# Embedding, override and isolate: what is shown is not the order of what is run (CVE-2021-42574).
BIDIRECTIONAL = re.compile("[\u202a-\u202e\u2066-\u2069]")


def scan(root: str, *, numpy_only: Collection[str]) -> list[Finding]:
    """Return at most MOST_FINDINGS findings in the Python files below `root`, each thing once a file.

    In the packages `numpy_only`, imports of other libraries are findings too.
    """
    paths = sorted(Path(root).rglob("*.py"))
    sources = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    own = {part.removesuffix(".py") for file in sources for part in file.split("/")}
    findings = [*_oversized(sources)]
    for file, source in _small_enough(sources):
        is_numpy_only = file.partition("/")[0].removesuffix(".py") in numpy_only
        findings += _look_into(file, source, allowed=ALLOWED_LIBRARIES | own if is_numpy_only else None)
        if len(findings) >= MOST_FINDINGS:
            break
    return findings[:MOST_FINDINGS]


def _oversized(sources: Mapping[str, bytes]) -> Iterator[Finding]:
    """Find more source than anyone writes for a homework: a library that was copied in."""
    lines = {file: source.count(b"\n") for file, source in sources.items()}
    for file, source in sources.items():
        if lines[file] > MANY_LINES or len(source) > LARGEST_SOURCE_BYTES:
            yield file, 0, "large_source", f"{lines[file]:,} lines and {len(source):,} bytes"
    if sum(lines.values()) > MANY_LINES_TOGETHER:
        yield "", 0, "large_source", f"{sum(lines.values()):,} lines in {len(sources)} files"


def _small_enough(sources: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    left = LARGEST_TOGETHER_BYTES
    for file, source in sources.items():
        if len(source) <= min(left, LARGEST_SOURCE_BYTES):
            left -= len(source)
            yield file, source


def _look_into(file: str, source: bytes, *, allowed: Collection[str] | None) -> list[Finding]:
    text = source.decode("utf-8-sig", "replace")
    findings: list[Finding] = []
    if hidden := BIDIRECTIONAL.search(text):
        line = text.count("\n", 0, hidden.start()) + 1
        findings.append((file, line, "bidirectional_text", f"U+{ord(hidden[0]):04X}"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError):  # then it does not run either
        return findings
    except (RecursionError, MemoryError) as error:
        return [*findings, (file, 0, "not_scanned", f"the parser gave up with {type(error).__name__}")]
    lines: dict[tuple[str, str], int] = {}
    names = _imported_names(nodes)
    for node in nodes:
        for seen in _look_at(node, names, allowed=allowed):
            line = getattr(node, "lineno", 0)
            lines[seen] = min(line, lines.get(seen, line))
    found = sorted((line, kind, what) for (kind, what), line in lines.items())
    return findings + [(file, line, kind, what) for line, kind, what in found]


def _look_at(node: ast.AST, names: Mapping[str, str], *, allowed: Collection[str] | None) -> Seen:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from _look_at_import(node, allowed=allowed)
    elif isinstance(node, ast.Name | ast.Attribute):
        yield from _look_at_name(node, names)
    elif isinstance(node, ast.Call):
        yield from _look_at_call(node, names)
    elif isinstance(node, ast.ClassDef):
        yield from _look_at_class(node, names)
    elif isinstance(node, ast.Constant) and isinstance(node.value, complex):
        yield "complex_numbers", "an imaginary number"


def _look_at_import(node: ast.Import | ast.ImportFrom, *, allowed: Collection[str] | None) -> Seen:
    for dotted in _imported(node):
        top = dotted.partition(".")[0]
        if kind := _kind_of_import(dotted):
            yield kind, dotted
        elif allowed is not None and top not in allowed:
            yield "library", top


def _look_at_name(node: ast.Name | ast.Attribute, names: Mapping[str, str]) -> Seen:
    dotted = _dotted(node, names) or ""
    if isinstance(node.ctx, ast.Load) and dotted in KIND_OF and ("." in dotted or dotted in BUILT_IN):
        yield KIND_OF[dotted], dotted
    elif isinstance(node, ast.Attribute) and node.attr in KIND_OF_ATTRIBUTE:
        yield KIND_OF_ATTRIBUTE[node.attr], f".{node.attr}"
    elif not isinstance(node.ctx, ast.Load) and isinstance(node, ast.Attribute) and _is_numpys(dotted):
        yield "patched_library", dotted


def _look_at_call(node: ast.Call, names: Mapping[str, str]) -> Seen:
    called = _dotted(node.func, names)
    first = _dotted(node.args[0], names) if node.args else None
    if called == "setattr" and _is_numpys(first or ""):
        yield "patched_library", f"{first}, by setattr"
    if called == "numpy.load" and any(keyword.arg == "allow_pickle" for keyword in node.keywords):
        yield "hidden_code", "numpy.load(allow_pickle=…)"


def _look_at_class(node: ast.ClassDef, names: Mapping[str, str]) -> Seen:
    methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    if len(ARITHMETIC & methods) >= 3:
        yield "own_arithmetic", node.name
    if POSES_AS_ARRAY & methods or any(_dotted(base, names) == "numpy.ndarray" for base in node.bases):
        yield "array_subclass", node.name


def _imported_names(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Map each name that an import binds, anywhere in the file, to what it stands for."""
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            bound = (alias.asname or alias.name for alias in node.names)
            names |= dict(zip(bound, _imported(node), strict=False))
    return names


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return what an import names, in full; nothing for a relative one."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.level or not node.module:
        return []
    return [f"{node.module}.{alias.name}" for alias in node.names]


def _kind_of_import(dotted: str) -> str | None:
    """Return the kind of a name, or else of the nearest module that it is in."""
    while dotted:
        if dotted in KIND_OF and dotted not in BUILT_IN:
            return KIND_OF[dotted]
        dotted = dotted.rpartition(".")[0]
    return None


def _dotted(node: ast.expr, names: Mapping[str, str]) -> str | None:
    """Write `np.linalg.inv` out as numpy.linalg.inv; None where it begins with a name of the file's own."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    if node.id in names or node.id in BUILT_IN:
        first = names.get(node.id, node.id)
    elif "*" in names:  # from numpy import *
        first = names["*"].replace("*", node.id)
    else:
        return None
    return ".".join((first, *reversed(attributes)))


def _is_numpys(dotted: str) -> bool:
    return dotted == "numpy" or dotted.startswith("numpy.")
