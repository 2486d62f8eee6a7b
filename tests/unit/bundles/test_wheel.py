"""The wheel that bundles carry is the one that pip would build of the checkout."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import tomllib
import zipfile
from email.parser import BytesParser
from functools import cache
from pathlib import Path

import pytest

from grader import distribution
from grader.bundles.wheel import RESOURCES, full_wheel
from grader.cli import run

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def contents() -> dict[str, bytes]:
    ((_, file),) = full_wheel().items()
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def about(name: str) -> bytes:
    return next(content for path, content in contents().items() if path.endswith(f".dist-info/{name}"))


def test_it_holds_what_the_project_puts_into_its_wheel():
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert sorted(included) == sorted(RESOURCES)
    assert {*included.values()} == {f"grader/_bundled/{name}" for name in RESOURCES}
    held = {name for name in contents() if not name.startswith("grader/_bundled/") and "/" in name}
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "grader").rglob("*.py")}
    assert sources <= held
    assert "grader/reports/report.schema.json" in held
    assert not [name for name in contents() if "__pycache__" in name or name.endswith(".pyc")]


def test_it_says_what_the_project_says_about_itself():
    metadata = BytesParser().parsebytes(about("METADATA"))
    assert metadata["Name"] == PROJECT["project"]["name"] == distribution.NAME
    assert metadata["Version"] == PROJECT["project"]["version"]
    assert metadata["Requires-Python"] == PROJECT["project"]["requires-python"]
    needs = metadata.get_all("Requires-Dist")
    core = {need.replace(" ", "") for need in needs if "extra" not in need}
    assert core == {need.replace(" ", "") for need in PROJECT["project"]["dependencies"]}
    assert any(need.startswith("torch>=") and "experiments" in need for need in needs)
    assert not [need for need in needs if "dev" in need]
    assert about("entry_points.txt").decode().split("\n")[:2] == [
        "[console_scripts]",
        "grader = grader.start:main",
    ]
    assert about("licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


def test_its_record_names_every_file_with_its_digest():
    rows = {name: (digest, size) for name, digest, size in csv.reader(io.StringIO(about("RECORD").decode()))}
    assert {*rows} == {*contents()}
    for name, (digest, size) in rows.items():
        if not name.endswith("RECORD"):
            raw = base64.urlsafe_b64encode(hashlib.sha256(contents()[name]).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={raw}", str(len(contents()[name]))), name


@pytest.mark.parametrize("name", ["student", "gradescope", "actions"])
def test_an_installation_without_what_ships_beside_it_is_one_sentence(name, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr("grader.settings.__file__", str(tmp_path / "grader" / "settings.py"))
    assert run(["bundle", name, "--out", str(tmp_path / "out")]) == 3
    said = capfd.readouterr().err
    assert "this installation is incomplete" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()
