"""Problems 1-3: the results of the derivations, as code. Nothing given is modified."""

import numpy as np


def softmax_temperature(z, tau):
    """Return y = softmax(z / tau), (K,), for tau > 0."""
    with np.errstate(over="ignore"):  # a tiny tau sends all but the largest to -inf, whose exp is 0
        e = np.exp((z - np.max(z)) / tau)  # the largest exponent is 0
    return e / e.sum()


def softmax_jacobian(z, tau):
    """Return J[i, j] = ∂y[i] / ∂z[j], (K, K): (diag(y) - y yᵀ) / tau."""
    y = softmax_temperature(z, tau)
    return (np.diag(y) - np.outer(y, y)) / tau


def affine_gradients(A, b, x, t):
    """Return ∂f/∂A (d, n) and ∂f/∂b (d,) of f = ½ ‖A x + b - t‖²."""
    r = A @ x + b - t  # (d,)
    return np.outer(r, x), r


def huber_gradient(w, X, y, delta, lam=0.0):
    """Return the gradient, (p,), of Σᵢ huber(yᵢ - xᵢᵀ w) + ½ lam ‖w‖².

    huber(r) = ½ r² for |r| ≤ delta and delta (|r| - ½ delta) beyond, so huber'(r) is r, clipped:
    the two pieces meet at |r| = delta with the same slope.
    """
    r = y - X @ w  # (n,)
    return -X.T @ np.clip(r, -delta, delta) + lam * w


def adam_steps(w, grads, lr, beta1, beta2, eps):
    """Return w after each step of Adam (Kingma and Ba 2015, algorithm 1) on the given gradients."""
    m = v = 0
    steps = []
    for t, g in enumerate(grads, start=1):
        m = beta1 * m + (1 - beta1) * g  # running mean of g
        v = beta2 * v + (1 - beta2) * g**2  # running mean of g²
        m_hat = m / (1 - beta1**t)  # both started at 0: undo the pull towards it
        v_hat = v / (1 - beta2**t)
        w = w - lr * m_hat / (np.sqrt(v_hat) + eps)
        steps.append(w)
    return steps


def momentum_steps(w, grads, lr, beta):
    """Return w after each step of v ← beta v + g; w ← w - lr v."""
    v = 0
    steps = []
    for g in grads:
        v = beta * v + g
        w = w - lr * v
        steps.append(w)
    return steps
