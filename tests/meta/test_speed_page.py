"""docs/speed.md: its commands are ones that the benchmarks read, and each says what it does."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import against_peers, growth
from benchmarks.peers import bare_loops
from benchmarks.peers.contenders import ENTRANTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = [
    shlex.split(line, comments=True)
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith("python ")
]
READERS = {
    "benchmarks.against_peers": against_peers.arguments,
    "benchmarks.growth": growth.arguments,
    "benchmarks.peers.bare_loops": bare_loops.arguments,
}


def test_the_page_shows_each_benchmark_that_has_a_reader():
    assert {words[2] for words in COMMANDS if words[1] == "-m"} == set(READERS)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_of_the_page_is_one_that_is_read(words):
    if words[1] == "-m":
        READERS[words[2]](words[3:])
    else:
        assert (ROOT / words[1]).is_file()


@pytest.mark.parametrize("module", READERS)
def test_each_benchmark_says_what_it_does(module):
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage:")
    assert sys.modules[module].__doc__.splitlines()[0] in done.stdout


def test_the_table_has_a_row_for_each_contender():
    for name in ENTRANTS:
        assert f"| {name} |" in PAGE
