"""Each version of Landlock that a kernel may have, as far as a newer kernel can play it, holds level 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from grader.worker import confinement
from tests.required import not_here

# Applies what the worker applies, with the rights of one version only, and tries what must not work.
ATTEMPTS = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from grader.worker import confinement as c
version, readable, secret, folder = int(sys.argv[2]), *sys.argv[3:6]
rules = c.FileRules(read=(readable,), list_only=(), write=("/dev/null",))
abi = c.apply_landlock(rules, at_most_abi=version)
c.drop_capabilities()
c.apply_seccomp()
attempts = {
    "read_secret": lambda: os.open(secret, os.O_RDONLY),
    "mode_three": lambda: os.open(secret, 3),
    "write": lambda: os.open(readable, os.O_WRONLY),
    "append": lambda: os.open(readable, os.O_WRONLY | os.O_APPEND),
    "truncate_by_reading": lambda: os.open(readable, os.O_RDONLY | os.O_TRUNC),
    "truncate_by_mode_three": lambda: os.open(readable, 3 | os.O_TRUNC),
    "truncate": lambda: os.truncate(readable, 0),
    "create": lambda: os.open(folder + "/new", os.O_WRONLY | os.O_CREAT),
    "nameless": lambda: os.open(folder, os.O_WRONLY | os.O_TMPFILE),
    "rename": lambda: os.rename(readable, folder + "/moved"),
    "link": lambda: os.link(readable, folder + "/linked"),
    "unlink": lambda: os.unlink(readable),
    "chmod": lambda: os.chmod(readable, 0o777),
    "utime": lambda: os.utime(readable),
    "list": lambda: os.listdir(folder),
}
succeeded = []
for name, attempt in attempts.items():
    try:
        attempt()
    except OSError:
        continue
    succeeded.append(name)
own = os.read(os.open(readable, os.O_RDONLY), 100).decode()
null = open(os.devnull, "w").write("x")  # opened with O_TRUNC for writing: honest
print(json.dumps({"abi": abi, "succeeded": succeeded, "own": own, "null": null}))
"""


@pytest.mark.parametrize("version", range(1, 8))
def test_nothing_can_be_written_emptied_or_read_that_the_rules_do_not_name(tmp_path, version):
    here = confinement.landlock_abi()
    if not here:
        not_here("confined: this kernel has no Landlock, or it is switched off")
    if here < version:
        pytest.skip(f"this kernel's Landlock is version {here}")
    readable, secret = tmp_path / "readable", tmp_path / "secret"
    readable.write_text("what may be read")
    secret.write_text("what may not")
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            ATTEMPTS,
            str(Path(confinement.__file__).parents[2]),
            str(version),
            str(readable),
            str(secret),
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout) == {
        "abi": version,
        "succeeded": [],
        "own": "what may be read",
        "null": 1,
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["readable", "secret"]
    assert readable.read_text() == "what may be read"
