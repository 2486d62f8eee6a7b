"""The names that a student did not choose: they stay as they are where all others become one symbol.

A fixed list, so that the same code gives the same tokens whatever is installed. A name stands in it if it is of
Python, NumPy or PyTorch, and says what is computed.
"""

from __future__ import annotations

from keyword import kwlist

KEYWORDS = frozenset(kwlist)

# Kept after a dot that does not follow `self`, and where they are called.
LIBRARY_NAMES = frozenset(
    """
    abs all allclose any append arange argmax argmin argsort array array_equal asarray astype atleast_2d
    broadcast_to cbrt ceil choice clip column_stack concatenate copy copysign cos cosh count cumsum
    default_rng diag divide dot dtype einsum empty empty_like enumerate exp expand_dims expm1 extend eye fill
    finfo flat flatten float float32 float64 floor full full_like get getattr greater hasattr heaviside hstack
    hypot identity inner int integers isclose isinstance items keys len linspace log log1p logaddexp logical_and
    logical_not logical_or map matmul max maximum mean median min minimum multiply nan_to_num ndarray ndim
    negative newaxis nonzero norm normal ones ones_like outer pad permutation pi pop power prod print
    put_along_axis rand randint randn random range ravel reciprocal reduce repeat reshape reversed rint round
    setattr shape shuffle sign sin sinh size sort sorted split sqrt square squeeze stack standard_normal std
    subtract sum super swapaxes take take_along_axis tan tanh tensordot tile tolist trace transpose tril triu
    tuple type uniform unique update values var vectorize vstack where zeros zeros_like zip T
    AdaptiveAvgPool2d Adam AdamW AvgPool2d BatchNorm1d BatchNorm2d CrossEntropyLoss Conv2d DataLoader Dropout
    Flatten MSELoss MaxPool2d NLLLoss RandomSampler SGD Subset TensorDataset argwhere backward bar barh cat
    classification_report confusion_matrix contiguous cpu cross_entropy cuda detach device eval figure forward
    from_numpy gather hist imshow init item kaiming_normal_ kaiming_uniform_ legend load_state_dict log_softmax
    manual_seed matshow named_parameters no_grad numpy one_hot parameters permute plot quantile relu
    requires_grad scatter scatter_ show sigmoid softmax state_dict step subplot subplots tensor title to topk
    train unsqueeze view xavier_normal_ xavier_uniform_ xlabel ylabel zero_ zero_grad
    """.split()
)

# Kept as a keyword of a call: `axis=1`.
LIBRARY_KEYWORDS = frozenset("axis dim keepdims keepdim dtype out ddof lr batch_size shuffle".split())
