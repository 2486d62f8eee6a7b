"""Submissions that misbehave in ways drawn by chance: right code in which some methods do something else."""

from __future__ import annotations

import random
import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

REFERENCE = Path(__file__).resolve().parents[2] / "reference" / "mytorch"

# Where each question's code is, and what of it a check calls.
PLACES: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "q6.1": (
            "nn/modules/linear.py",
            ("Linear.__init__", "Linear.forward", "Linear.backward", "Linear.parameters", "Linear.gradients"),
        ),
        "q6.2": (
            "nn/modules/activation.py",
            ("ReLU.forward", "ReLU.backward", "Tanh.forward", "Tanh.backward", "Sigmoid.forward"),
        ),
        "q6.3": (
            "nn/modules/loss.py",
            ("MSELoss.forward", "MSELoss.backward", "SoftmaxCrossEntropy.forward"),
        ),
        "q6.4": ("nn/sequential.py", ("Sequential.__init__", "Sequential.forward", "Sequential.parameters")),
        "q6.5": ("nn/optim.py", ("SGD.__init__", "SGD.step", "SGD.zero_grad")),
        "q6.6": ("utils.py", ("gradient_check",)),
    }
)

# What a method does instead; `original` is what it was, `x` its last argument.
RAISING: tuple[str, ...] = (
    "raise ValueError('\\x1b[31m::error::\\u202e' * 300)",
    "raise KeyboardInterrupt",
    "raise GeneratorExit",
    "raise StopIteration(1)",
    "raise type('Odd\\n\\x1b[1m', (BaseException,), {})('x' * 10_000_000)",
    "raise ExceptionGroup('many', [ValueError(n) for n in range(500)])",
    "raise BaseExceptionGroup('mixed', [SystemExit(0), KeyboardInterrupt()])",
    """
    class Silent(Exception):
        def __str__(self):
            raise SystemExit(0)
    raise Silent
    """,
    """
    class Endless(Exception):
        def __str__(self):
            while True: pass
    raise Endless
    """,
    """
    class Numeric(Exception):
        __str__ = lambda self: 42
        __class__ = property(lambda self: 1 / 0)
        __traceback__ = property(lambda self: [])
        __cause__ = property(lambda self: self)
    raise Numeric
    """,
    """
    error = SyntaxError(object())
    error.filename, error.lineno = [object()], 'x'
    error.msg = type('M', (), {'__format__': lambda *a: 1 / 0})()
    raise error
    """,
    """
    class Meta(type):
        __name__ = property(lambda cls: 1 / 0)
    class Nameless(Exception, metaclass=Meta):
        pass
    raise Nameless
    """,
    """
    first, second = ValueError('a'), ValueError('b')
    first.__cause__, second.__cause__ = second, first
    raise first
    """,
    "exec(compile('raise ValueError(\"\\ud800\")', '\\ud800\\n.py', 'exec'))",
    "return (lambda again: again(again))(lambda again: again(again))",
)
BODIES: tuple[str, ...] = (
    *RAISING,
    # ends
    "sys.exit(0)",
    "sys.exit('passed')",
    "raise SystemExit(10**40)",
    "os._exit(0)",
    "os._exit(77)",
    "os.abort()",
    "signal.raise_signal(signal.SIGSEGV)",
    "signal.raise_signal(signal.SIGSTOP)",
    "signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(60)",
    "os.kill(os.getpid(), signal.SIGKILL)",
    "ctypes.string_at(0)",
    "ctypes.memset(id(None), 0, 64)",
    "sys.setrecursionlimit(10**9); f = lambda: f(); return f()",
    "atexit.register(time.sleep, 60); raise SystemExit",
    # hangs
    "while True: pass",
    "time.sleep(1000)",
    "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "return sum(iter(int, 1))",
    "return 10 ** 10 ** 8",
    "return input()",
    "return re.match('(a+)+$', 'a' * 40 + 'b')",
    # wrong values
    "return None",
    "return NotImplemented",
    "return 'passed'",
    "return 10**5000",
    "return float('nan')",
    "return [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
    "loop = []; loop.append(loop); return loop",
    "return {1: 2, 'a': {'b': {3}}}",
    "return {'weight' * n: None for n in range(1000)}",
    "return {'weight': 'x', '\\ud800': np.zeros(3), 'bias': -1}",
    "return (n for n in range(3))",
    "return np",
    "return type(x)",
    "return lambda *a: 1",
    "return np.array([print, None])",
    "return np.array(['x' * 100])",
    "return np.zeros(3, dtype='datetime64[s]')",
    "return np.zeros(3, dtype=[('a', 'f8')])",
    "return np.ma.masked_array(np.ones((2, 3)), mask=True)",
    "return np.matrix(np.ones((3, 3)))",
    "return np.zeros((0, 5))",
    "return np.float16(70000)",
    "return np.longdouble(1) / 3",
    "return np.full((3, 3), 1e308) * 10",
    "return np.array(['nan'], dtype='f8')",
    "return np.ones((2,) * 20)",
    "return np.broadcast_to(np.ones(1), (10**5, 10**5))",
    "return np.lib.stride_tricks.as_strided(np.zeros(1), (10**6, 10**6), (0, 0))",
    "return np.zeros(30_000_000)",
    "return [np.zeros(1000)] * 60_000",
    "return ['x' * 60_000] * 1000",
    "return list(range(10**6))",
    "return decimal.Decimal('0.1')",
    "return memoryview(b'abc')",
    """
    class Spoof:
        __class__ = np.ndarray
        __array__ = lambda self, *a, **k: 1 / 0
    return Spoof()
    """,
    """
    class Sly(np.ndarray):
        __array_finalize__ = lambda self, other: 1 / 0
        __reduce__ = __array_function__ = __array_ufunc__ = lambda *a, **k: 1 / 0
    return np.ones((4, 5)).view(Sly)
    """,
    """
    class Sly(float):
        __float__ = __index__ = __int__ = hex = lambda self: 1 / 0
    return Sly(1)
    """,
    """
    class Sly(dict):
        items = keys = __iter__ = lambda self: iter(int, 1)
        __len__ = lambda self: 10**9
    return Sly()
    """,
    """
    class Sly(list):
        __len__ = lambda self: -1
        __iter__ = lambda self: iter(int, 1)
    return Sly([1])
    """,
    # changes
    "value = original(*args, **kwargs); x[...] = np.nan; return value",
    "vars(args[0]).clear(); return original(*args, **kwargs)",
    "args[0].__class__ = type('Other', (), {}); return original(*args, **kwargs)",
    "del type(args[0]).backward; return original(*args, **kwargs)",
    "return original(*args, **kwargs) * 1j",
    "return original(*args, **kwargs) * 1e300 * 1e300",
    "return original(*args[:-1])",
    # output
    "print('x' * 1_000_000); return original(*args, **kwargs)",
    "while True: os.write(1, b'1 passed\\n' * 10_000)",
    "sys.stdout.close(); sys.stderr.close(); return original(*args, **kwargs)",
    "sys.stdout = type('Out', (), {'flush': lambda self: 1 / 0})(); return original(*args, **kwargs)",
    "sys.stdout = type('Out', (), {'flush': lambda self: sys.exit(0)})(); return original(*args, **kwargs)",
    # threads
    "threading.Thread(target=time.sleep, args=(60,)).start(); return original(*args, **kwargs)",
    "[threading.Thread(target=time.sleep, args=(60,)).start() for _ in range(1000)]",
    "threading.Timer(0.05, os._exit, (0,)).start(); return original(*args, **kwargs)",
    # descriptors
    "os.closerange(0, 256); return original(*args, **kwargs)",
    "os.closerange(3, 256); time.sleep(60)",
    "[os.dup2(1, n) for n in range(3, 64)]; return original(*args, **kwargs)",
    "[everywhere(b'\\x02\\x00\\x00\\x00{}') for _ in range(9)]; return original(*args, **kwargs)",
    "everywhere(b'\\x00'); return original(*args, **kwargs)",
    "everywhere(b'\\xff' * 100_000)",
    "everywhere(b'junk'); time.sleep(60)",
    # the interpreter around it
    "sys.modules.clear(); return original(*args, **kwargs)",
    "sys.modules['numpy'] = None; np.array = np.ndarray = None; return original(*args, **kwargs)",
    "builtins.isinstance = lambda *a: True; return original(*args, **kwargs)",
    "builtins.len = builtins.type = builtins.int = None; return original(*args, **kwargs)",
    "del builtins.Exception, builtins.BaseException; return original(*args, **kwargs)",
    'json.dumps = lambda *a, **k: \'{"id":1,"values":[true]}\'; return original(*args, **kwargs)',
    "sys.setrecursionlimit(30); return original(*args, **kwargs)",
    "sys.settrace(lambda *a: 1 / 0); return original(*args, **kwargs)",
    "sys.setprofile(lambda *a: sys.exit(0)); return original(*args, **kwargs)",
    "gc.disable(); gc.callbacks.append(lambda *a: os._exit(0)); return original(*args, **kwargs)",
    "np.random.seed = random.seed = lambda *a: 1 / 0; return original(*args, **kwargs)",
    "np.seterr(all='raise'); warnings.simplefilter('error'); return original(*args, **kwargs)",
    "resource.setrlimit(resource.RLIMIT_AS, (1, 1)); return original(*args, **kwargs)",
    "resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0)); return original(*args, **kwargs)",
    # the machinery beside it
    "[vars(o).clear() for o in gc.get_objects() if type(o).__name__ in ('Session', 'Wire', 'Objects')]",
    "[setattr(m, n, None) for m in list(sys.modules.values()) for n in ('pack', 'encode') if hasattr(m, n)]",
    "[f.f_locals.clear() for f in sys._current_frames().values()]; raise ValueError",
    # memory
    "return np.ones((1 << 17, 1 << 17))",
    "held = []\nwhile True: held.append(bytearray(1 << 26))",
    "return b'x' * (1 << 40)",
)

TOP = """
import atexit, builtins, ctypes, decimal, gc, json, os, random, re, resource, signal, sys, threading, time
import warnings
import numpy as np

def everywhere(data):
    for descriptor in range(3, 256):
        try:
            os.write(descriptor, data)
        except OSError:
            pass
"""

# What a whole file holds instead of code, or besides it.
FILES: tuple[bytes, ...] = (
    b"",
    b"\x00" * 100,
    b"\xff\xfe\x00" * 50,
    b"\xef\xbb\xbfx = 1",
    b"# coding: utf-7\n+AHg- = 1",
    b"# coding: nonsense\n",
    b"def broken(:\n",
    b"(" * 5_000,
    b"x = " + b"-" * 50_000 + b"1",
    b"x = '" + b"y" * 900_000 + b"'\n",
    b"x = 1\n" * 100_000,
    b"raise SystemExit",
    b"import os; os._exit(0)",
    b"while True: pass",
    b"from . import *\nfrom .nothing import everything\n",
    b"import torch",
    b"def __getattr__(name): raise SystemExit(name)\n",
    b"Linear = ReLU = MSELoss = Sequential = SGD = gradient_check = 5\n",
    b"class Linear:\n    __new__ = lambda cls, *a: 3\nReLU = MSELoss = Sequential = SGD = Linear\n",
    b"import sys; sys.modules[__name__] = None\n",
    b"x = 10 ** 10 ** 8\n",
    b"\x0c\x0c\r\r\nclass Linear:\rpass",
)


def write_hostile(folder: Path, number: int) -> tuple[str, list[str]]:
    """Write the hostile submission of this number; return the question that it shows in, and what it does."""
    chosen = random.Random(number)
    question = chosen.choice(sorted(PLACES))
    file, methods = PLACES[question]
    if chosen.random() < 0.15:
        data = chosen.choice(FILES)
        write_file(folder, file, data)
        return question, [f"{file} = {data[:40]!r}"]
    picked = chosen.sample(methods, min(len(methods), chosen.choice((1, 1, 2))))
    bodies = {name: chosen.choice(BODIES) for name in picked}
    write_replaced(folder, bodies)
    return question, [f"{name}: {textwrap.dedent(body).strip()}" for name, body in bodies.items()]


def write_file(folder: Path, file: str, data: bytes) -> None:
    """Write right code of which one file holds something else."""
    shutil.copytree(REFERENCE, folder / "mytorch", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "mytorch" / file).write_bytes(data)


def write_replaced(folder: Path, bodies: Mapping[str, str]) -> None:
    """Write right code of which some methods, all of one file, do something else."""
    shutil.copytree(REFERENCE, folder / "mytorch", ignore=shutil.ignore_patterns("__pycache__"))
    file = next(file for file, methods in PLACES.values() if set(bodies) <= set(methods))
    with (folder / "mytorch" / file).open("a", encoding="utf-8") as source:
        source.write(TOP + "".join(map(_replacement, bodies, bodies.values())))


def _replacement(name: str, body: str) -> str:
    written = textwrap.indent(textwrap.dedent(body).strip(), " " * 4)
    return (
        f"\ndef replaced(*args, original={name}, **kwargs):\n"
        f"    x = args[-1] if args else None\n{written}\n\n{name} = replaced\n"
    )
