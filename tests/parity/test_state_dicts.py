"""Where `from_torch` finds the tensors of a model, and what it makes of them."""

import numpy as np
import pytest

from tests.parity.torch_or_skip import torch


@pytest.mark.parametrize("name", ["state_dict", "model_state_dict", "model_state", "model", "net", "weights"])
def test_a_checkpoint_has_the_state_dict_under_a_usual_name(name):
    from rnnnlp.exchange.torch_import import tensors_of

    found = tensors_of({"epoch": 3, "loss": torch.tensor(0.3), name: {"fc.weight": torch.ones(2)}})
    assert list(found) == ["fc.weight"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_tensors_of_half_precision_become_float32(dtype):
    from rnnnlp.exchange.torch_import import tensors_of

    array = tensors_of({"fc.weight": torch.tensor([1.5, -0.25], dtype=dtype)})["fc.weight"]
    assert array.dtype == np.float32
    assert array.tolist() == [1.5, -0.25]
