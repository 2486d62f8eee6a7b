"""Sources that would break a parser, and what a look at sources may and may not do to a grade."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from grader import pipeline
from grader.client import open_student
from grader.errors import StudentFault
from grader.intake import open_submission
from grader.pipeline import GradeOptions
from grader.selftest.zip_maker import HONEST, members_of, zip_of
from tests.unit.checks.test_exactness import DIFFERENCES

PACKAGE = Path(__file__).parents[2] / "grader"
REFERENCE = Path(__file__).parents[2] / "reference" / "mytorch"
PLACES = {"Linear": ("mytorch.nn", "mytorch.nn.modules.linear")}
LINEAR = "class Linear:\n    def forward(self, x):\n        return 2.0\n"

BOMBS = {
    "nested parentheses": "(" * 100_000 + ")" * 100_000,
    "nested lists": "[" * 100_000 + "]" * 100_000,
    "a megabyte of minus signs": "-" * 1_000_000 + "1",
    "a long chain of attributes": "a" + ".b" * 30_000,
    "a long sum": "1" + "+1" * 30_000,
    "a huge f-string": 'f"' + "{x}" * 20_000 + '"',
    "nested f-strings": 'f"{' * 200 + "1" + '}"' * 200,
    "a thousand lambdas": "lambda:" * 9_000 + "1",
    "nested dicts": "{0:" * 10_000 + "}" * 10_000,
    "a number of a million digits": "9" * 60_000,
    "null bytes": "x = 1\0" * 1000,
    "many statements": "x=1\n" * 16_000,
    "deep indentation": "".join(" " * depth + "if 1:\n" for depth in range(99)) + " " * 99 + "pass",
    "a chain of elif": "if 1: pass\n" + "elif 1: pass\n" * 4_000,
}


def submission(root: Path, files: dict[str, str]) -> Path:
    sources = {"mytorch/__init__.py": "", "mytorch/nn/__init__.py": "", "mytorch/nn/modules/__init__.py": ""}
    for name, source in (sources | {"mytorch/nn/modules/linear.py": LINEAR} | files).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root


def opened(root: Path):
    return open_student(root, places=PLACES, provider="separate", min_isolation=1)


class TestParserBombs:
    """Row B11: only the worker parses, and what becomes of it costs nothing."""

    @pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
    def test_a_bomb_is_looked_at_or_told_and_the_rest_is_graded(self, tmp_path, bomb):
        with opened(submission(tmp_path, {"mytorch/bomb.py": bomb})) as student:
            try:
                kinds = {kind for _, _, kind, _ in student.scan()}
            except StudentFault:
                kinds = {"not_scanned"}
            assert kinds <= {"not_scanned", "large_source"}
            assert student.new("Linear").forward(0.0) == 2.0

    def test_intake_compiles_nothing(self, tmp_path):
        compiled = []
        is_watching = True

        def watch(event, arguments):
            if is_watching and event == "compile":
                compiled.append(arguments)

        sys.addaudithook(watch)  # for as long as the process lives
        bombs = {f"mytorch/bomb{number}.py": bomb.encode() for number, bomb in enumerate(BOMBS.values())}
        small = {name: source for name, source in bombs.items() if len(source) < 1 << 20}
        (tmp_path / "hw1.zip").write_bytes(zip_of(members_of({**HONEST, **small}, method=0)))
        with open_submission(tmp_path / "hw1.zip") as accepted:
            assert len(accepted.files) == len(HONEST) + len(small)
        is_watching = False
        assert compiled == []

    def test_nothing_on_the_trusted_side_parses_what_a_student_wrote(self):
        """Suites and self-test read what is ours; the scan of sources is imported by the worker alone."""
        parsing = {
            "parse",
            "compile",
            "exec",
            "eval",
            "tokenize",
            "generate_tokens",
            "walk_packages",
            "run_path",
        }
        found = set()
        for path in PACKAGE.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = node.func if isinstance(node, ast.Call) else None
                dotted = ast.unparse(called) if called is not None else ""
                if dotted.rpartition(".")[2] in parsing and dotted != "re.compile":
                    found.add((path.relative_to(PACKAGE).as_posix(), dotted))
                if isinstance(node, ast.ImportFrom | ast.Import) and "source_scan" in ast.unparse(node):
                    found.add((path.relative_to(PACKAGE).as_posix(), "source_scan"))
        assert found == {
            ("suites.py", "ast.parse"),
            # A place's own file: events, within bounds; no tag is built and no alias followed.
            ("cohort/handed_in/layouts/ruby_yaml.py", "yaml.parse"),
            ("bundles/visible_part.py", "ast.parse"),  # of our own suites
            ("selftest/mutants.py", "ast.parse"),  # of our own reference
            ("selftest/code_tree.py", "ast.parse"),
            ("selftest/behaviour.py", "part.eval"),  # Module.eval() of a mutant of ours
            ("worker/source_scan.py", "ast.parse"),
            ("worker/cell_names.py", "ast.parse"),
            ("worker/notebook.py", "ast.parse"),  # a cell's imports and definitions, after a crash
            ("worker/notebook.py", "compile"),
            ("worker/notebook.py", "exec"),
            ("worker/tensors.py", "model.eval"),  # Module.eval() of PyTorch
            ("assignments/hw1/notebook_calibration.py", "network.eval"),
            ("notebooks/abilities.py", "tokenize.generate_tokens"),  # one by one: no tree, so nothing nests
            ("worker/session.py", "source_scan"),
        }


class TestScan:
    def test_it_is_the_first_request_of_a_submission_and_runs_none_of_its_code(self, tmp_path):
        hostile = "import ast\nast.parse = None\nimport os\nos._exit(1)\n"
        files = {"mytorch/__init__.py": hostile, "ast.py": hostile, "warnings.py": hostile, "re.py": hostile}
        with opened(submission(tmp_path, files)) as student:
            found = student.scan()
            assert student.workers_started == 1
        assert found == []

    def test_a_parser_that_takes_for_ever_is_stopped_and_a_fresh_worker_goes_on(self, tmp_path, monkeypatch):
        with opened(submission(tmp_path, {"mytorch/bomb.py": BOMBS["a huge f-string"]})) as student:
            monkeypatch.setattr(type(student.limits), "call_s", property(lambda _: 0.001))
            with pytest.raises(StudentFault, match="reading the sources did not return"):
                student.scan()
            monkeypatch.undo()
            assert student.new("Linear").forward(0.0) == 2.0
            assert student.workers_started == 2


class TestGrades:
    """Through the whole pipeline: flags are in the report, and no point depends on them."""

    @staticmethod
    def graded(root: Path) -> pipeline.Graded:
        options = GradeOptions(questions=("q6.2",), sandbox="separate", min_isolation=1)
        return pipeline.grade(root, options)

    def test_flags_are_in_the_report_and_cost_nothing(self, tmp_path):
        for path in REFERENCE.rglob("*.py"):
            target = tmp_path / "mytorch" / path.relative_to(REFERENCE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        (by_differences,) = DIFFERENCES["activations by central differences"].values()
        with (tmp_path / "mytorch/nn/modules/activation.py").open("a", encoding="utf-8") as stream:
            stream.write(f"\n\n{by_differences}")
        with (tmp_path / "mytorch/utils.py").open("a", encoding="utf-8") as stream:
            stream.write("\n\ntry:\n    import torch\nexcept ImportError:\n    eval('1')\n")
        (tmp_path / "tools").mkdir()
        (tmp_path / "tools" / "fast.so").write_bytes(b"\x7fELF")

        report = self.graded(tmp_path).report
        assert report.status == "graded"
        assert report.score == report.max_score
        assert {flag.kind for flag in report.flags} == {
            *("compiled_code", "library", "hidden_code", "finite_differences")
        }
        places = {flag.kind: flag.where for flag in report.flags}
        assert places["compiled_code"] == "tools/fast.so"
        assert places["library"].startswith("mytorch/utils.py, line ")
        assert places["finite_differences"] == "q6.2.sigmoid_any_shape"
