"""Q6.3 Loss functions. Backpropagation starts at a loss, so `backward` takes no argument.

Where the mean over the batch may be taken is in the README, under "The mean over the batch".
"""


class MSELoss:
    """Mean squared error: the mean over every element of the batch, not only over its rows."""

    def forward(self, pred, target):
        """Return the loss as a float. pred and target: arrays of the same shape."""
        raise NotImplementedError("TODO: MSELoss.forward (Q6.3)")

    def backward(self):
        """Return dL/dpred, in the shape of pred, for the arrays that `forward` saw last."""
        raise NotImplementedError("TODO: MSELoss.backward (Q6.3)")


class SoftmaxCrossEntropy:
    """Softmax and cross-entropy in one, averaged over the batch.

    Both must stay finite when a logit is as large as 1000 or as small as -1000.
    """

    def forward(self, logits, targets):
        """Return the loss as a float.

        logits: (N, K), any real numbers.
        targets: the right classes, as indices (N,) or (N, 1), or as one-hot rows (N, K).
        """
        raise NotImplementedError("TODO: SoftmaxCrossEntropy.forward (Q6.3)")

    def backward(self):
        """Return dL/dlogits, (N, K), for the arrays that `forward` saw last."""
        raise NotImplementedError("TODO: SoftmaxCrossEntropy.backward (Q6.3)")
