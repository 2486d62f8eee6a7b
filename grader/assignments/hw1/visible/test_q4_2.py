"""Q4.2 Build and train BloodMLP: its layers, its outputs, and the curves of its training."""

from __future__ import annotations

from collections.abc import Callable, Collection

from grader.assignments.hw1.blood_model import (
    ACCURACIES,
    LEARNS_ACCURACY,
    LOSSES,
    asked,
    curves,
    own_accuracy,
    require_accuracies,
    require_architecture,
    require_drawn,
    require_falling,
    require_logits,
    require_relu_between,
)
from grader.assignments.hw1.blood_pixels import Unseen
from grader.checks.closeness import reproduced_by
from grader.checks.plots import PlotIt, lines
from grader.datasets import BloodMnist
from grader.errors import CheckFailed
from grader.notebooks.replay import Replay
from grader.pytest_plugin import check

FEW, MANY = 64, 1000


@check("q4.2.architecture")
def test_architecture(notebook: Replay) -> None:
    """Model has the three linear layers of 2352-256-128-8."""
    with reproduced_by("for p in model.parameters(): print(p.shape)"):
        require_architecture(notebook)


@check("q4.2.logits")
def test_logits(notebook: Replay, blood: BloodMnist, unseen: Unseen) -> None:
    """Model gives logits of shape (N, 8), not probabilities."""
    with reproduced_by("print(model(images).shape, model(images).sum(dim=1))"):
        require_logits(asked(notebook, blood).outputs(unseen(FEW)[0]))


@check("q4.2.relu_between", needs=("q4.2.architecture",))
def test_relu_between(notebook: Replay, blood: BloodMnist, unseen: Unseen) -> None:
    """There is a ReLU after each hidden layer of model."""
    with reproduced_by("print(model)"):
        require_relu_between(asked(notebook, blood), unseen(FEW)[0])


@check("q4.2.curves")
def test_curves(notebook: Replay, plot: PlotIt) -> None:
    """train_losses, val_losses, train_accs and val_accs have one number an epoch."""
    with reproduced_by("print(len(train_losses), len(val_losses), len(train_accs), len(val_accs))"):
        found = curves(notebook.after("q4.2"))
    plot(lines, "Losses", "epoch", {name: found[name] for name in LOSSES})
    plot(lines, "Accuracies", "epoch", {name: found[name] for name in ACCURACIES})


@check("q4.2.losses_fall", needs=("q4.2.curves",))
def test_losses_fall(notebook: Replay) -> None:
    """The losses are means, and the training loss falls."""
    with reproduced_by("print(train_losses)"):
        require_falling(curves(notebook.after("q4.2")))


@check("q4.2.accuracies", needs=("q4.2.curves",))
def test_accuracies(notebook: Replay) -> None:
    """The accuracies lie between 0 and 1 and rise."""
    with reproduced_by("print(train_accs)"):
        require_accuracies(curves(notebook.after("q4.2")))


@check("q4.2.plots", needs=("q4.2.curves",))
def test_plots(notebook: Replay) -> None:
    """Both losses and both accuracies are plotted."""
    with reproduced_by("plt.plot(train_losses); plt.plot(val_losses)"):
        harvest = notebook.after("q4.2")
        require_drawn(harvest, curves(harvest))


# A network that has learned anything is far above, whatever the seed.
@check("q4.2.learns", false_alarm=1e-6)
def test_learns(
    notebook: Replay, blood: BloodMnist, unseen: Unseen, note: Callable[[str], None], passed: Collection[str]
) -> None:
    """Model knows most images that it has never seen."""
    with reproduced_by("print((model(images).argmax(dim=1) == labels).float().mean())"):
        images, labels = unseen(MANY)
        accuracy = own_accuracy(asked(notebook, blood), images, labels, passed=passed)
        note(f"accuracy {accuracy:.4f} on {MANY:,} images that it never saw")
        if not accuracy >= LEARNS_ACCURACY:
            raise CheckFailed(
                f"model is right on {accuracy:.1%} of {MANY:,} images that it never saw; at least "
                f"{LEARNS_ACCURACY:.0%} is expected (the largest class alone gives 20 %)",
                expected=f"at least {LEARNS_ACCURACY:.0%}",
                got=f"{accuracy:.1%}",
            )
