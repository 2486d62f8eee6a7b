"""A part that hangs costs its own question; a check that goes on without it has time left to do so."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from grader.assignments.hw1.hidden.test_q6_5 import test_zero_grad as zero_grad
from grader.assignments.hw1.linear_probe import measured_factor
from grader.assignments.hw1.mytorch_contract import Shape
from grader.assignments.hw1.names import PLACES
from grader.assignments.hw1.visible.test_q6_3 import test_mse_end_to_end as mse_end_to_end
from grader.assignments.hw1.visible.test_q6_6 import test_is_small_on_the_own_network as own_network
from grader.checks.plots import no_plot
from grader.client import open_student
from grader.sandbox.policy import read_policy
from tests.contract.submissions import REFERENCE

LINEAR, LOSS = "nn/modules/linear.py", "nn/modules/loss.py"


def opened(folder, file, method, line):
    """Open the reference with a line at the head of every method of that name in a file of it."""
    shutil.copytree(REFERENCE, folder / "mytorch")
    path = folder / "mytorch" / file
    lines = []
    for each in path.read_text(encoding="utf-8").splitlines():
        lines.append(each)
        if each.startswith(f"    def {method}("):
            assert each.endswith(":")
            lines.append(f"        {line}")
    assert len(lines) > len(path.read_text(encoding="utf-8").splitlines())
    path.write_text("\n".join(lines), encoding="utf-8")
    policy = read_policy()
    limits = replace(policy.limits, call_s=1.0, check_s=6.0)  # a tenth of what there is
    policy = replace(policy, limits=limits)
    student = open_student(folder, places=PLACES, provider="separate", min_isolation=1, policy=policy)
    student.begin_check("test", seed=1)
    return student


@pytest.mark.parametrize(
    ("file", "method"),
    [(LINEAR, "backward"), (LINEAR, "gradients"), (LOSS, "forward"), (LOSS, "backward")],
)
def test_a_right_gradient_check_passes_where_the_own_network_hangs(tmp_path, file, method):
    with opened(tmp_path, file, method, "while True: pass") as student:
        own_network(student, np.random.default_rng(7), passed=frozenset())


def test_a_right_loss_passes_where_linear_cannot_be_made(tmp_path):
    with opened(tmp_path, LINEAR, "__init__", "while True: pass") as student:
        mse_end_to_end(student, np.random.default_rng(7), passed=frozenset(), plot=no_plot)


def test_a_right_sgd_passes_where_linear_hangs(tmp_path):
    with opened(tmp_path, LINEAR, "backward", "while True: pass") as student:
        zero_grad(student, np.random.default_rng(7))


def test_a_linear_that_cannot_be_made_draws_no_numbers(tmp_path):
    rng, untouched = np.random.default_rng(7), np.random.default_rng(7)
    with opened(tmp_path, LINEAR, "__init__", "raise ValueError") as student:
        assert measured_factor(student, rng, Shape(N=7, D=4, M=3)) is None
    assert rng.integers(10**6) == untouched.integers(10**6)
