"""What isolation costs: start-up of a worker under each provider, and round trips a second.

python benchmarks/workers.py [--repeat 20] [--json FILE]

Interleaved: each round starts one worker of every kind, so that a busy moment hits all alike. Medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from grader import sandbox
from grader.client import open_student
from grader.sandbox.launch import INTERPRETER_FLAGS

PACKAGE = {
    "mytorch/__init__.py": "",
    "mytorch/nn.py": "class ReLU:\n    def forward(self, x):\n        return x\n",
}
PLACES = {"ReLU": ["mytorch.nn"]}
CALLS = 2000


def main() -> None:
    """Print both tables, and write them as JSON where that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o711)
        report = _measured(_submission(root), options.repeat)
    print(f"start-up of a worker, ms, median of {options.repeat} (least)")
    for name, times in report["start_ms"].items():
        print(f"  {name:36} {statistics.median(times):7.1f}  ({min(times):.1f})")
    print(f"round trips a second, median of {options.repeat // 4 or 1} times {CALLS}")
    for name, rates in report["calls_per_second"].items():
        print(f"  {name:36} {statistics.median(rates):7.0f}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _submission(root: Path) -> Path:
    submission = root / "submission"
    for name, text in PACKAGE.items():
        (submission / name).parent.mkdir(parents=True, exist_ok=True)
        (submission / name).write_text(text, encoding="utf-8")
    return submission


def _measured(root: Path, repeat: int) -> dict[str, object]:
    providers = [finding.name for finding in sandbox.survey() if finding.available]
    starts: dict[str, Callable[[], None]] = {"python and numpy alone": _bare}
    starts |= {name: (lambda name=name: _opened(root, name)) for name in reversed(providers)}
    times: dict[str, list[float]] = {name: [] for name in starts}
    for _ in range(repeat):
        for name, start in starts.items():
            began = time.perf_counter()
            start()
            times[name].append(1000 * (time.perf_counter() - began))
    rates = {name: [_rate(root, name) for _ in range(repeat // 4 or 1)] for name in reversed(providers)}
    machine = {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
    }
    return {"machine": machine, "start_ms": times, "calls_per_second": rates}


def _bare() -> None:
    command = [str(Path(sys.executable).resolve()), *INTERPRETER_FLAGS, "-c"]
    folder = Path(sys.modules["numpy"].__file__ or "").parent.parent
    script = f"import sys; sys.path.append({str(folder)!r}); import numpy.random"
    subprocess.run([*command, script], check=True)


def _opened(root: Path, provider: str) -> None:
    open_student(root, places=PLACES, provider=provider, min_isolation=1).close()


def _rate(root: Path, provider: str) -> float:
    with open_student(root, places=PLACES, provider=provider, min_isolation=1) as student:
        layer = student.new("ReLU")
        began = time.perf_counter()
        for _ in range(CALLS):
            student.run([layer.calling("forward", 1.0)], seconds=10.0)
        return CALLS / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
