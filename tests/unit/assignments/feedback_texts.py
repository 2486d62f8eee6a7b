"""What a student reads about a fault: its check's result as the terminal shows it.

`python -m tests.unit.assignments.feedback_texts` writes the texts in golden/ again; read the difference.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from grader import terminal
from grader.declaration import declared_by
from grader.feedback import feedback_of
from grader.model import CheckResult, Outcome
from grader.plan import Plan, make_plan
from grader.reports.schema import CheckReport
from grader.rubric import load_rubric
from grader.scoring import score
from grader.suites import read_suites
from tests.suite_runner import SUITES, Verdict, function_of, judge
from tests.unit.assignments.faulty import Fault, read_faults
from tests.unit.test_scoring import facts

GOLDEN = Path(__file__).parent / "golden"
REFERENCE = Path(__file__).parents[3] / "reference" / "mytorch"
WIDTH = 80
FAULTS = {fault.name: fault for fault in read_faults()}
# What a detector says, and the fault that makes it speak. Hidden checks speak to instructors.
DETECTORS = {
    "nothing was written": "weight_gradient_never_filled",
    "a sign": "mse_slope_sign",
    "a factor of 2": "mse_slope_without_two",
    "a factor of N": "ce_sum",
    "a factor of 1/N": "ce_mean_twice",
    "a factor of K": "mse_mean_over_rows",
    "a factor of D": "input_gradient_over_d",
    "a factor without a name": "weight_gradient_1_percent",
    "a mean beside a sum": "bias_gradient_mean",
    "a mean nowhere": "mse_mean_nowhere",
    "a mean twice": "mse_mean_twice",
    "a transpose": "weight_gradient_transposed",
    "a transpose, reshaped": "weight_gradient_reshaped",
    "weight and bias swapped in gradients()": "gradients_swapped",
    "weight and bias swapped in parameters()": "parameters_swapped",
    "a mask from the wrong array": "relu_mask_of_upstream",
    "a derivative in x instead of y": "tanh_slope_in_x",
    "a derivative at y instead of x": "tanh_slope_at_y",
    "a sum over the wrong axis": "bias_gradient_over_the_wrong_axis",
    "a softmax over the wrong axis": "ce_softmax_over_batch",
    "the first batch, kept by a layer": "first_gradient_kept",
    "the first batch, kept by a loss": "ce_first_batch_cached",
    "one entry": "weight_gradient_one_entry",
    "one row": "ce_last_row_forgotten",
    "one column": "weight_gradient_last_column",
    "an offset": "tanh_shifted",
    "a known mistake": "bias_forgotten",
    "a variance": "he_one_over_d",
}


def judged(fault: Fault) -> Verdict:
    """Return what became of the fault's check, with the fault in a copy of the reference."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(REFERENCE, root / "mytorch", ignore=shutil.ignore_patterns("__pycache__"))
        for file, code in fault.patches.items():
            with (root / file).open("a", encoding="utf-8") as stream:
                stream.write(f"\n\n{code}")
        return judge(root, questions=[fault.question])[fault.check]


def told(check_id: str, verdict: Verdict) -> str:
    """Return what the terminal shows of a check that failed."""
    lines = terminal.check_lines(reported(check_id, verdict), width=WIDTH)
    return "".join(f"{line.plain.rstrip()}\n" for line in lines)


def reported(check_id: str, verdict: Verdict) -> CheckReport:
    """Return a failed check as it stands in a report, by the way of every other one."""
    plan = _plan(check_id.rpartition(".")[0])
    planned = next(each for each in plan.checks if each.check.id == check_id)
    place = declared_by(function_of(planned.declared)).place
    feedback = feedback_of(planned.check, verdict.fault, handout=place)
    results: Mapping[str, CheckResult] = {check_id: CheckResult(planned.check, Outcome.FAILED, feedback, 0.0)}
    (question,) = score(plan, results, facts()).questions
    return next(check for check in question.checks if check.id == check_id)


@cache
def _plan(question: str) -> Plan:
    return make_plan(load_rubric(SUITES / "rubric.toml"), read_suites(SUITES), wanted=[question])


def main() -> int:
    """Write every golden text."""
    for name in DETECTORS.values():
        fault = FAULTS[name]
        (GOLDEN / f"{name}.txt").write_text(told(fault.check, judged(fault)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
