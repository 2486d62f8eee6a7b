"""The names that a student did not choose: they stay as they are where all others become one symbol.

A fixed list, so that the same code gives the same tokens whatever is installed. A name stands in it if it is
Python's, NumPy's or PyTorch's, and says what is computed.
"""

from __future__ import annotations

from keyword import kwlist

KEYWORDS = frozenset(kwlist)

_LIBRARY = """
abs Adam AdamW AdaptiveAvgPool2d all allclose any append arange argmax argmin argsort argwhere array
array_equal asarray astype atleast_2d AvgPool2d backward bar barh BatchNorm1d BatchNorm2d broadcast_to cat
cbrt ceil choice classification_report clip column_stack concatenate confusion_matrix contiguous Conv2d
copy copysign cos cosh count cpu cross_entropy CrossEntropyLoss cuda cumsum DataLoader default_rng detach
device diag divide dot Dropout dtype einsum empty empty_like enumerate eval exp expand_dims expm1 extend
eye figure fill finfo flat Flatten flatten float float32 float64 floor forward from_numpy full full_like
gather get getattr greater hasattr heaviside hist hstack hypot identity imshow init inner int integers
isclose isinstance item items kaiming_normal_ kaiming_uniform_ keys legend len linspace load_state_dict
log log1p log_softmax logaddexp logical_and logical_not logical_or manual_seed map matmul matshow max
maximum MaxPool2d mean median min minimum MSELoss multiply named_parameters nan_to_num ndarray ndim
negative newaxis NLLLoss no_grad nonzero norm normal numpy one_hot ones ones_like outer pad parameters
permutation permute pi plot pop power print prod put_along_axis quantile rand randint randn random
RandomSampler range ravel reciprocal reduce relu repeat requires_grad reshape reversed rint round scatter
scatter_ setattr SGD shape show shuffle sigmoid sign sin sinh size softmax sort sorted split sqrt square
squeeze stack standard_normal state_dict std step subplot subplots Subset subtract sum super swapaxes T
take take_along_axis tan tanh tensor TensorDataset tensordot tile title to tolist topk trace train
transpose tril triu tuple type uniform unique unsqueeze update values var vectorize view vstack where
xavier_normal_ xavier_uniform_ xlabel ylabel zero_ zero_grad zeros zeros_like zip
"""
_KEYWORD_ARGUMENTS = "axis batch_size ddof dim dtype keepdim keepdims lr out shuffle"

# Kept after a dot that does not follow `self`, and where they are called.
LIBRARY_NAMES = frozenset(_LIBRARY.split())
# Kept as a keyword of a call: `axis=1`.
LIBRARY_KEYWORDS = frozenset(_KEYWORD_ARGUMENTS.split())
