"""Labels that are tensors of PyTorch."""

import pytest

from rnnnlp.errors import UserError
from rnnnlp.text.labels import as_labels
from tests.parity.torch_or_skip import torch


def test_labels_may_be_a_tensor_or_a_list_of_them():
    for labels in (torch.tensor([3, 1, 2]), list(torch.tensor([3, 1, 2])), torch.tensor([[3], [1], [2]])):
        assert as_labels(labels) == [3, 1, 2]
    assert as_labels(torch.tensor([True, False])) == [True, False]


def test_one_hot_tensors_are_refused():
    with pytest.raises(UserError, match=r"labels has the shape \(3, 3\)"):
        as_labels(torch.eye(3))
