"""Problems 1-3: what you derived, as code. NumPy only; leave every argument as it is."""


def softmax_temperature(z, tau):
    """Q1.1 Return softmax(z / tau).

    z: (K,), any real numbers. tau: a positive number, possibly tiny. Returns (K,).
    """
    raise NotImplementedError("TODO: softmax_temperature (Q1.1)")


def softmax_jacobian(z, tau):
    """Q1.1 Return the Jacobian of `softmax_temperature` with respect to z.

    Returns J, (K, K): J[i, j] is the derivative of output i with respect to z[j].
    """
    raise NotImplementedError("TODO: softmax_jacobian (Q1.1)")


def affine_gradients(A, b, x, t):
    """Q1.2 Return (df/dA, df/db) for f = 1/2 * ||A x + b - t||^2.

    A: (d, n). b: (d,). x: (n,). t: (d,). Returns arrays of the shapes (d, n) and (d,).
    """
    raise NotImplementedError("TODO: affine_gradients (Q1.2)")


def huber_gradient(w, X, y, delta, lam=0.0):
    """Q2.1, Q2.3 Return the gradient with respect to w of the regularised Huber objective.

    The objective is the sum, not the mean, of the Huber losses of the residuals y - X w, and
    1/2 * lam * ||w||^2 on top.

    w: (p,). X: (n, p). y: (n,). delta: a positive number. lam: zero or positive. Returns (p,).
    """
    raise NotImplementedError("TODO: huber_gradient (Q2.1, Q2.3)")


def adam_steps(w, grads, lr, beta1, beta2, eps):
    """Q3.1 Run Adam, with bias correction, from w; step k uses grads[k].

    w: an array. grads: a sequence of arrays of w's shape, of any length.
    Returns a list as long as grads: w after each step. The w you start from is not in it.
    """
    raise NotImplementedError("TODO: adam_steps (Q3.1)")


def momentum_steps(w, grads, lr, beta):
    """Q3.1 Run gradient descent with momentum from w; step k uses grads[k].

    w: an array. grads: a sequence of arrays of w's shape, of any length.
    Returns a list as long as grads: w after each step. The w you start from is not in it.
    """
    raise NotImplementedError("TODO: momentum_steps (Q3.1)")
