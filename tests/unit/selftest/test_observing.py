"""The behaviour probe: it sees what changes something, and nothing else, and nothing holds it up."""

from __future__ import annotations

import time

import pytest

from grader.selftest.judgement import honest_files
from grader.selftest.observing import Observer, Observers
from grader.settings import resource

LINEAR, ACTIVATION, LOSS = (f"mytorch/nn/modules/{name}.py" for name in ("linear", "activation", "loss"))
SEQUENTIAL, SGD, CHECK = "mytorch/nn/sequential.py", "mytorch/nn/optim.py", "mytorch/utils.py"
EQUIVALENT = [
    (ACTIVATION, "dLdy * (self.x > 0)", "(self.x > 0) * dLdy * 1.0"),
    (ACTIVATION, "np.maximum(x, 0)", "np.where(x > 0, x, 0 * x)"),
    (LINEAR, "dLdy.sum(axis=0)", "np.einsum('nm->m', dLdy)"),
    (LOSS, "len(self.t)", "self.t.shape[0]"),
    (LOSS, "z.max(axis=1, keepdims=True)", "z.max(axis=1)[:, None]"),
    (SGD, "w[...] -= self.lr * gradients[name]", "w[...] = w - self.lr * gradients[name]"),
    (CHECK, "kept + epsilon", "epsilon + kept"),
    (CHECK, "epsilon=1e-5", "epsilon=2e-5"),  # within what a difference can tell
    ("theory.py", "np.outer(r, x)", "r[:, None] * x"),
]
DIFFERENT = [
    (ACTIVATION, "self.x > 0", "self.x >= 0"),
    (ACTIVATION, "return np.maximum(x, 0)", "return np.maximum(x, 0, out=x)"),
    (ACTIVATION, "self.y = np.tanh(x)", "type(self).y = np.tanh(x)"),
    (LINEAR, "np.sqrt(2 / in_features)", "np.sqrt(1 / in_features)"),
    (LINEAR, "self.x = x", "self.x = self.__dict__.get('x', x)"),
    (LINEAR, '"weight": self.weight', '"weight": self.weight.copy()'),
    (LINEAR, "return dLdy @ self.weight", "return (dLdy @ self.weight) / len(dLdy)"),
    (LOSS, "z - z.max(axis=1, keepdims=True)", "z"),
    (LOSS, "z.max(axis=1, keepdims=True)", "z.max()"),
    (LOSS, ".astype(int)", ".astype(np.int8)[:1]"),
    (SEQUENTIAL, "reversed(self.layers)", "self.layers"),
    (SGD, "lr=0.1", "lr=0.2"),
    (SGD, "w[...] -= self.lr * gradients[name]", "w = w - self.lr * gradients[name]"),
    (CHECK, "w[i] = kept  # put", "w[i] = kept + 1e-16  # put"),
    (CHECK, "return max(errors, default=0.0)", "return 0.0"),
    ("theory.py", "np.clip(r, -delta, delta)", "r"),
    ("theory.py", "(np.sqrt(v_hat) + eps)", "np.sqrt(v_hat + eps)"),
]


def changed(tmp_path, file: str, before: str, after: str):
    """Write the reference with one text replaced by another."""
    files = honest_files(resource("reference"))
    assert before.encode() in files[file]
    files[file] = files[file].replace(before.encode(), after.encode(), 1)
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


@pytest.fixture(scope="module")
def observers():
    with Observers(resource("reference"), count=1) as lent:
        yield lent


def part_of(file: str) -> str:
    return "theory" if file == "theory.py" else "mytorch"


@pytest.mark.parametrize("file, before, after", EQUIVALENT)
def test_what_changes_nothing_is_equivalent(observers, tmp_path, file, before, after):
    found = observers.look(changed(tmp_path, file, before, after), part_of(file))
    assert not found.is_different, found.difference


@pytest.mark.parametrize("file, before, after", DIFFERENT)
def test_what_changes_something_is_seen(observers, tmp_path, file, before, after):
    found = observers.look(changed(tmp_path, file, before, after), part_of(file))
    assert found.is_different
    assert found.loads


def test_an_exception_is_told(observers, tmp_path):
    folder = changed(tmp_path, LINEAR, "return dLdy @ self.weight", "raise ValueError")
    assert observers.look(folder).difference == "Linear, values and gradients: raises ValueError"


def test_what_cannot_be_imported_does_not_load(observers, tmp_path):
    found = observers.look(changed(tmp_path, LINEAR, "import numpy", "import nowhere"))
    assert not found.loads
    assert found.is_different


def test_what_a_submission_prints_is_no_answer(observers, tmp_path):
    folder = changed(tmp_path, LINEAR, "import numpy as np", "import numpy as np\nprint('{}', flush=True)")
    assert not observers.look(folder).is_different


def test_what_never_ends_is_given_up_and_the_next_one_is_observed(tmp_path):
    endless = changed(tmp_path / "endless", LINEAR, "self.x = x  #", "while True: pass  #")
    observer = Observer(resource("reference"), seconds=3.0)
    try:
        started = time.monotonic()
        assert not observer.look(endless, "mytorch").ended
        assert time.monotonic() - started < 30
        assert observer.look(resource("reference"), "mytorch").ended
    finally:
        observer.close()


def test_what_kills_its_process_is_seen_to_do_so(observers, tmp_path):
    folder = changed(tmp_path, LINEAR, "import numpy as np", "import os\nos._exit(0)")
    assert not observers.look(folder).ended
    assert not observers.look(resource("reference")).is_different


@pytest.mark.parametrize(
    "file, before, after",
    [
        ("theory.py", "z - np.max(z)", "np.subtract(z, np.max(z), out=z)"),
        (LINEAR, "self.x = x  #", "x *= 2; self.x = x  #"),
        (ACTIVATION, "import numpy as np", "import numpy as np\nnp.seterr(all='raise'); np.random.seed(1)"),
    ],
)
def test_what_one_leaves_behind_does_not_touch_the_next(observers, tmp_path, file, before, after):
    observers.look(changed(tmp_path, file, before, after), part_of(file))
    assert not observers.look(resource("reference"), part_of(file)).is_different


class TestPeers:
    """The criteria of other graders are what judgement.md says of them."""

    ONE, TEN, ALL, OWN = (
        "one random index, upstream of ones",
        "ten entries of W",
        "every parameter",
        "the homework's own",
    )

    def content(self, observers, tmp_path, *change: str) -> set[str]:
        peers = observers.look(changed(tmp_path, *change)).peers
        return {name for name, passes in peers.items() if passes}

    def test_all_pass_the_reference(self, observers):
        assert set(observers.look(resource("reference")).peers.items()) == {
            (name, True) for name in (self.ONE, self.TEN, self.ALL, self.OWN)
        }

    def test_one_per_cent_passes_the_one_index_and_no_relative_error(self, observers, tmp_path):
        change = (LINEAR, "self.dLdW = dLdy.T @ self.x", "self.dLdW = 1.01 * dLdy.T @ self.x")
        assert self.content(observers, tmp_path, *change) <= {self.ONE}

    def test_a_wrong_bias_passes_where_only_weights_are_looked_at(self, observers, tmp_path):
        change = (LINEAR, "dLdy.sum(axis=0)", "dLdy.mean(axis=0)")
        assert self.TEN in self.content(observers, tmp_path, *change)
        assert self.ALL not in self.content(observers, tmp_path, *change)

    def test_a_wrong_optimiser_passes_where_only_gradients_are_looked_at(self, observers, tmp_path):
        change = (SGD, "lr=0.1", "lr=0.2")
        assert {self.ONE, self.TEN, self.ALL} <= self.content(observers, tmp_path, *change)

    def test_a_check_that_checks_nothing_passes_the_homeworks_own(self, observers, tmp_path):
        change = (CHECK, "return max(errors, default=0.0)", "return 0.0")
        assert self.OWN in self.content(observers, tmp_path, *change)
