"""Q6.6 Gradient checking."""


def gradient_check(model, loss_fn, x, y, epsilon=1e-5):
    """Compare backpropagation with central differences, and return the largest relative error as a float.

    Every entry of every parameter takes part, one at a time. Afterwards all parameters hold exactly
    the values they had before.

    model: a Module. loss_fn: a loss, as in Q6.3. x: one batch of inputs. y: its targets.
    epsilon: how far an entry is moved to either side.
    """
    raise NotImplementedError("TODO: gradient_check (Q6.6)")
