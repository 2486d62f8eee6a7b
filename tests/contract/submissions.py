"""Small submissions for tests that need student code of a certain kind, written where a test asks."""

from __future__ import annotations

import textwrap
from pathlib import Path

LINEAR = """
    import numpy as np

    class Linear:
        def __init__(self, in_features, out_features):
            self.weight = np.random.randn(out_features, in_features)
            self.bias = np.zeros(out_features)
        def forward(self, x):
            self.x = x
            return x @ self.weight.T + self.bias
        def parameters(self):
            return {"weight": self.weight, "bias": self.bias}
"""


def write_package(root: Path, *, linear: str = LINEAR, **files: str) -> Path:
    """Write a `mytorch` whose Linear is the given source; other files by path with __ for /."""
    sources = {
        "mytorch/__init__.py": "",
        "mytorch/nn/__init__.py": "from .modules.linear import Linear\n",
        "mytorch/nn/modules/__init__.py": "",
        "mytorch/nn/modules/linear.py": linear,
    }
    sources |= {name.replace("__", "/") + ".py": text for name, text in files.items()}
    for name, text in sources.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return root
