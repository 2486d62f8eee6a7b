"""What a zygote saves: the start of a notebook's worker, up to its first cell, with and without one.

python benchmarks/notebook_workers.py [--repeat 10] [--sandbox bubblewrap]

Interleaved: each round starts one worker of either kind, so that a busy moment hits both alike. Medians.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from grader.datasets import serve
from grader.notebooks.kernel import NotebookStudent
from grader.sandbox.command import Notebook
from grader.sandbox.forked import ZygoteClient
from grader.sandbox.policy import read_policy
from grader.sandbox.zygote import VIEW, Zygote


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--sandbox", default="confined", choices=("bubblewrap", "confined"))
    options = parser.parse_args()
    times: dict[str, list[float]] = {}
    began = time.perf_counter()
    with zygote_under(options.sandbox) as client:
        started(client, times={}, forked=True)
        print(f"zygote and its first worker: {1000 * (time.perf_counter() - began):.0f} ms")
        for _ in range(options.repeat):
            for forked in (False, True):
                started(client, times=times, forked=forked)
    print(f"under {options.sandbox}, ms, median of {options.repeat} (least)")
    for name, found in times.items():
        print(f"  {name:44} {statistics.median(found):8.1f}  ({min(found):.1f})")


@contextlib.contextmanager
def zygote_under(sandbox: str) -> Iterator[ZygoteClient]:
    """Have a zygote and a line to it, with the sample data where its workers can read it."""
    with (
        Zygote(provider=sandbox, min_isolation=2, policy=read_policy()) as zygote,
        zygote.lent() as offer,
    ):
        if offer is None:
            raise SystemExit(f"there is no zygote under {sandbox} here")
        (offer.data / "data").mkdir()
        serve(offer.data / "data", "sample")
        with ZygoteClient(offer) as client:
            yield client


def started(client: ZygoteClient, *, times: dict[str, list[float]], forked: bool) -> None:
    """Start one worker, and note how long it took to be locked and probed, and to be ready for a cell."""
    kind = "forked" if forked else "started"
    with tempfile.TemporaryDirectory(dir=client.offer.scratch) as folder:
        began = time.perf_counter()
        student = NotebookStudent(
            Path(folder),
            provider=client.offer.provider,
            min_isolation=2,
            policy=read_policy(),
            places={},
            view=VIEW,
            notebook=Notebook(client.offer.data / "data"),
            zygote=client if forked else None,
        )
        locked = time.perf_counter()
        student.prepare()
        ready = time.perf_counter()
        student.close()
    times.setdefault(f"{kind}: locked and probed", []).append(1000 * (locked - began))
    times.setdefault(f"{kind}: and its libraries and shell", []).append(1000 * (ready - locked))


if __name__ == "__main__":
    main()
