"""What a scan finds in sources, and what it leaves alone."""

from __future__ import annotations

import ast
import textwrap
import time
import types
from pathlib import Path

import pytest

from fixtures import build
from grader.worker import source_scan
from grader.worker.source_scan import MOST_FINDINGS, scan

REPOSITORY = Path(__file__).parents[3]
NUMPY_ONLY = ("mytorch", "theory")
RIGHT = [name for name in build.names() if name.startswith("right_")]


def scanned(root: Path, source: str, *, name: str = "mytorch/nn/x.py") -> list[tuple[str, int, str, str]]:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return scan(str(root), numpy_only=NUMPY_ONLY)


def replace_parser(monkeypatch: pytest.MonkeyPatch, parse) -> None:
    """Replace it for the scan alone: pytest parses too."""
    monkeypatch.setattr(source_scan, "ast", types.SimpleNamespace(**vars(ast) | {"parse": parse}))


FINDINGS = [
    # source, line, kind, what
    ("import torch\n", 1, "library", "torch"),
    ("import torch.nn.functional as F\n", 1, "library", "torch"),
    ("from jax import grad\n", 1, "library", "jax"),
    ("import autograd.numpy as np\n", 1, "library", "autograd"),
    ("try:\n    import sklearn\nexcept ImportError:\n    pass\n", 2, "library", "sklearn"),
    ("def f():\n    from scipy.optimize import approx_fprime\n", 2, "library", "scipy"),
    ("import ctypes\n", 1, "system_access", "ctypes"),
    ("from ctypes import CDLL\n", 1, "system_access", "ctypes.CDLL"),
    ("import cffi\n", 1, "system_access", "cffi"),
    ("import subprocess as s\ns.run('ls')\n", 1, "system_access", "subprocess"),
    ("import os\n\nos.system('ls')\n", 3, "system_access", "os.system"),
    ("from os import popen\n", 1, "system_access", "os.popen"),
    ("import os as o\nf = o.fork\n", 2, "system_access", "os.fork"),
    ("import socket\n", 1, "system_access", "socket"),
    ("import urllib.request\nurllib.request.urlopen('x')\n", 1, "system_access", "urllib.request"),
    ("import numpy.f2py\n", 1, "system_access", "numpy.f2py"),
    ("import numpy as np\nnp.ctypeslib.load_library('x', '.')\n", 2, "system_access", "numpy.ctypeslib"),
    ("exec('x = 1')\n", 1, "hidden_code", "exec"),
    ("f = eval\n", 1, "hidden_code", "eval"),
    ("c = compile('1', '', 'eval')\n", 1, "hidden_code", "compile"),
    ("np = __import__('numpy')\n", 1, "hidden_code", "__import__"),
    ("import base64, numpy\n", 1, "hidden_code", "base64"),
    ("from zlib import decompress\n", 1, "hidden_code", "zlib.decompress"),
    ("import marshal\n", 1, "hidden_code", "marshal"),
    ("import pickle\n", 1, "hidden_code", "pickle"),
    ("from importlib import import_module\n", 1, "hidden_code", "importlib.import_module"),
    ("import types\nt = types.CodeType\n", 2, "hidden_code", "types.CodeType"),
    ("import numpy\nnumpy.load('x', allow_pickle=True)\n", 2, "hidden_code", "numpy.load(allow_pickle=…)"),
    ("import sys\nf = sys._getframe(1)\n", 2, "introspection", "sys._getframe"),
    ("from sys import modules\n", 1, "introspection", "sys.modules"),
    ("import inspect\n", 1, "introspection", "inspect"),
    ("import gc\n", 1, "introspection", "gc"),
    ("x = __builtins__\n", 1, "introspection", "__builtins__"),
    ("f = (lambda: 0).__globals__\n", 1, "introspection", ".__globals__"),
    ("def f(e):\n    return e.tb_frame.x\n", 2, "introspection", ".tb_frame"),
    ("c = object.__subclasses__()\n", 1, "introspection", ".__subclasses__"),
    ("h = 1e-20j\n", 1, "complex_numbers", "an imaginary number"),
    ("y = complex(1, 2)\n", 1, "complex_numbers", "complex"),
    ("import numpy as np\nx = np.zeros(3, dtype=np.complex128)\n", 2, "complex_numbers", "numpy.complex128"),
    ("def f(y, h):\n    return y.imag / h\n", 2, "complex_numbers", ".imag"),
    ("import numpy as np\ng = np.gradient([1, 2])\n", 2, "shortcut", "numpy.gradient"),
    ("from numpy.linalg import solve\n", 1, "shortcut", "numpy.linalg.solve"),
    ("from numpy import linalg as la\nla.inv(x)\n", 2, "shortcut", "numpy.linalg.inv"),
    ("from numpy import *\ngradient([1, 2])\n", 2, "shortcut", "numpy.gradient"),
    ("import numpy.polynomial\n", 1, "shortcut", "numpy.polynomial"),
    ("import numpy as np\nnp.allclose = lambda *a: True\n", 2, "patched_library", "numpy.allclose"),
    ("import numpy as np\nnp.random.seed = 3\n", 2, "patched_library", "numpy.random.seed"),
    ("import numpy as np\ndel np.testing.assert_equal\n", 2, "patched_library", "numpy.testing.assert_equal"),
    ("import numpy as np\nsetattr(np, 'all', any)\n", 2, "patched_library", "numpy, by setattr"),
    ("import numpy as np\nclass A(np.ndarray):\n    pass\n", 2, "array_subclass", "A"),
    ("class A:\n    def __array_ufunc__(self): ...\n", 1, "array_subclass", "A"),
    ("# a \u202e comment\n", 1, "bidirectional_text", "U+202E"),
    ("x = 1\ny = '\u2066'\n", 2, "bidirectional_text", "U+2066"),
]  # fmt: skip

HONEST = {
    "words in strings and comments": '''
        """Do not use torch, eval(), exec, pickle, 1j or np.linalg.solve; import ctypes neither."""
        # import torch; eval("x"); np.gradient
        MESSAGE = "import subprocess; sys._getframe()"
    ''',
    "names of methods and variables": """
        import re
        class Module:
            def eval(self):
                self.training = False
            def compile(self, complex_mode=False):
                self.exec = self.eval
        def run(model, code, http, gc, pickle, socket):
            model.eval()
            inspect = code + gc + pickle.x + http.client + socket.y
            return re.compile("x"), inspect
    """,
    "everyday NumPy": """
        import numpy as np
        from numpy.random import default_rng
        rng = default_rng(0)
        np.random.seed(0)
        np.seterr(all="ignore")
        x = np.einsum("ij,jk->ik", rng.normal(size=(2, 3)), np.ones((3, 2)))
        error = np.linalg.norm(x) / max(1e-12, np.linalg.norm(x))
        x[0, 0] = 1.0
        x.T[...] -= 0.1
        x.real
        data = np.load("weights.npz")
    """,
    "everyday Python": """
        from __future__ import annotations
        import abc, collections, copy, dataclasses, functools, itertools
        import math, os, random, sys, time, types, warnings
        from typing import Any
        sys.path.append(os.path.dirname(__file__))
        print(os.getcwd(), os.path.join("a", "b"), sys.version, types.SimpleNamespace())
        class Parameter:
            def __eq__(self, other): return True
            def __getitem__(self, key): return key
            def __add__(self, other): return self
            def __len__(self): return 0
    """,
    "own modules by any name": """
        from mytorch.nn.module import Module
        from module import Module as Other
        from .linear import Linear
        from ..utils import *
        import mytorch.nn as nn
        nn.x = 1
    """,
    "right to left": "# \u05e9\u05dc\u05d5\u05dd \u200f\u0645\u0631\u062d\nname = 'L\u00f6sung'\n",
    "a syntax error": "def f(:\n    import torch\n",
    "null bytes": "x = 1\0import torch",
}


@pytest.mark.parametrize(("source", "line", "kind", "what"), FINDINGS)
def test_what_is_worth_a_look_is_found_once_with_its_line(tmp_path, source, line, kind, what):
    assert scanned(tmp_path, source) == [("mytorch/nn/x.py", line, kind, what)]


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST)
def test_honest_code_is_left_alone(tmp_path, source):
    (tmp_path / "mytorch").mkdir()
    for name in ("module", "linear", "utils"):
        (tmp_path / "mytorch" / f"{name}.py").write_text("", encoding="utf-8")
    assert scanned(tmp_path, source) == []


@pytest.mark.parametrize("name", RIGHT)
def test_right_submissions_are_left_alone(tmp_path, name):
    build.write_folder(name, tmp_path / name)
    assert scan(str(tmp_path / name), numpy_only=NUMPY_ONLY) == []


@pytest.mark.parametrize("name", ["reference", "student_template"])
def test_the_reference_and_the_template_are_left_alone(name):
    assert scan(str(REPOSITORY / name), numpy_only=NUMPY_ONLY) == []


def test_a_class_like_that_of_micrograd_is_found(tmp_path):
    source = """
        class Value:
            def __init__(self, data): self.data = data
            def __add__(self, other): return Value(self.data + other.data)
            def __mul__(self, other): return Value(self.data * other.data)
            def __pow__(self, power): return Value(self.data**power)
            def backward(self): ...
    """
    assert scanned(tmp_path, source) == [("mytorch/nn/x.py", 2, "own_arithmetic", "Value")]


def test_the_same_thing_is_told_once_a_file_at_its_first_line(tmp_path):
    source = "def f():\n    return eval('1')\n\neval('2')\neval('3')\n"
    assert scanned(tmp_path, source) == [("mytorch/nn/x.py", 2, "hidden_code", "eval")]


def test_libraries_may_be_imported_outside_of_what_is_numpy_only(tmp_path):
    assert scanned(tmp_path, "import torch\n", name="plots.py") == []
    assert scanned(tmp_path, "import torch\n", name="theory.py") == [("theory.py", 1, "library", "torch")]


def test_everything_else_is_looked_for_everywhere(tmp_path):
    assert scanned(tmp_path, "exec('1')\n", name="plots.py") == [("plots.py", 1, "hidden_code", "exec")]


def test_a_file_longer_than_a_homework_is_found_and_parsed_while_it_is_small(tmp_path):
    found = scanned(tmp_path, "x = 1\n" * 1001 + "eval('x')\n")
    assert [(line, kind) for _, line, kind, _ in found] == [(0, "large_source"), (1002, "hidden_code")]


def test_a_file_larger_than_that_is_found_and_not_parsed(monkeypatch, tmp_path):
    replace_parser(monkeypatch, lambda _: pytest.fail("it was parsed"))
    found = scanned(tmp_path, "x = 1  " + "#" * (64 << 10))
    assert [kind for *_, kind, _ in found] == ["large_source"]


def test_many_files_are_found_and_parsed_up_to_a_limit_together(monkeypatch, tmp_path):
    parsed = []

    def count(text):
        parsed.append(len(text))
        return ast.parse(text)

    (tmp_path / "mytorch").mkdir()
    for number in range(20):
        (tmp_path / "mytorch" / f"{number}.py").write_text("x = 1\n" * 900 + "#" * 50_000, encoding="utf-8")
    replace_parser(monkeypatch, count)
    assert scan(str(tmp_path), numpy_only=NUMPY_ONLY) == [("", 0, "large_source", "18,000 lines in 20 files")]
    assert 0 < sum(parsed) <= source_scan.LARGEST_TOGETHER_BYTES


def test_there_are_never_more_findings_than_the_limit(tmp_path):
    source = "\n".join(f"import library{number}" for number in range(500))
    assert len(scanned(tmp_path, source)) == MOST_FINDINGS
    scanned(tmp_path, source, name="mytorch/y.py")
    assert len(scan(str(tmp_path), numpy_only=NUMPY_ONLY)) == MOST_FINDINGS


@pytest.mark.parametrize("source", ["-" * 60_000 + "1", "not " * 15_000 + "1", "lambda:" * 9_000 + "1"])
def test_a_file_that_the_parser_gives_up_on_is_told(tmp_path, source):
    found = scanned(tmp_path, source)
    assert [(file, kind) for file, _, kind, _ in found] == [("mytorch/nn/x.py", "not_scanned")]


def test_warnings_of_the_parser_do_not_matter(tmp_path):
    assert scanned(tmp_path, r"x = '\d'; y = 1 is 1") == []


def test_files_in_folders_and_beside_them_are_read_and_others_are_not(tmp_path):
    (tmp_path / "data.txt").write_text("import torch", encoding="utf-8")
    (tmp_path / "mytorch").mkdir()
    (tmp_path / "mytorch" / "x.ipynb").write_text("import torch", encoding="utf-8")
    assert scan(str(tmp_path), numpy_only=NUMPY_ONLY) == []


def test_a_usual_submission_takes_milliseconds():
    durations = []
    for _ in range(5):
        start = time.process_time()
        scan(str(REPOSITORY / "reference"), numpy_only=NUMPY_ONLY)
        durations.append(time.process_time() - start)
    assert min(durations) < 0.1  # about 0.005 of an idle machine; the rest is for what else runs here
