"""Where backpropagation starts. The mean over the batch is taken here, and nowhere else."""

import numpy as np


class MSELoss:
    """The mean of (pred - target)² over every element."""

    def forward(self, pred, target):
        """Return the loss, a float."""
        self.difference = pred - target
        return float((self.difference**2).mean())

    def backward(self):
        """Return dL/dpred, in pred's shape."""
        return 2 * self.difference / self.difference.size


class SoftmaxCrossEntropy:
    """The mean over the batch of -Σₖ tₖ log pₖ, where p = softmax(logits)."""

    def forward(self, logits, targets):
        """Return the loss, a float; targets are class indices (N,) or (N, 1), or one-hot rows (N, K)."""
        self.t = _one_hot(targets, logits.shape)  # (N, K)
        self.log_p = _log_softmax(logits)  # (N, K)
        return float(-(self.t * self.log_p).sum(axis=1).mean())

    def backward(self):
        """Return dL/dlogits = (p - t) / N."""
        return (np.exp(self.log_p) - self.t) / len(self.t)  # (N, K)


def _log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)  # changes nothing but the range: exp(z) <= 1 now
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def _one_hot(targets, shape):
    if targets.shape == shape:
        return targets
    return np.eye(shape[1])[targets.reshape(-1).astype(int)]
