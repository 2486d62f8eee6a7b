"""Is the gradient right? Ask the loss."""

import numpy as np

# Smaller gradients are compared as if they had this size: rounding alone, about 1e-16 in the loss,
# leaves an error of 1e-16 / epsilon = 1e-11 in n, however small the slope is.
SMALLEST_GRADIENT = 1e-5


def gradient_check(model, loss_fn, x, y, epsilon=1e-5):
    """Return the largest relative error |a - n| / (|a| + |n|) over every entry of every parameter.

    a is the gradient by backpropagation and n the slope (L(w + ε) - L(w - ε)) / 2ε. For a right
    model in float64 it stays below 1e-5; for a wrong one it is of the order of 1, or inf if a
    gradient is not finite. The parameters are left as they were, bit for bit.
    """

    def loss():
        return loss_fn.forward(model.forward(x), y)

    loss()
    model.backward(loss_fn.backward())
    gradients = model.gradients()
    errors = [
        _relative_error(gradients[name], _central_differences(loss, w, epsilon))
        for name, w in model.parameters().items()
    ]
    return max(errors, default=0.0)


def _central_differences(loss, w, epsilon):
    n = np.empty(w.shape)
    for i in np.ndindex(w.shape):
        kept = w[i]
        try:
            w[i] = kept + epsilon
            above = loss()
            w[i] = kept - epsilon
            below = loss()
        finally:
            w[i] = kept  # put back, since w + ε - ε is not always w
        n[i] = (above - below) / (2 * epsilon)
    return n


def _relative_error(a, n):
    error = np.max(np.abs(a - n) / np.maximum(SMALLEST_GRADIENT, np.abs(a) + np.abs(n)))
    return float(error) if np.isfinite(error) else np.inf
