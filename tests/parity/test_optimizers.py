"""The optimizers against torch.optim, over 20 steps from the same gradients."""

import numpy as np
import pytest

from rnnnlp.layers.parameter import Parameter
from rnnnlp.training.optimizers import OPTIMIZERS, Adam, RMSprop, clipping, global_norm
from tests.parity.torch_or_skip import torch
from tests.parity.twins import tensor

MOMENTUM = 0.8
ADAM = {"betas": (MOMENTUM, Adam.beta2), "eps": Adam.eps}
THEIRS = {
    "sgd": (torch.optim.SGD, {"momentum": MOMENTUM}),
    "rmsprop": (torch.optim.RMSprop, {"alpha": RMSprop.beta, "eps": RMSprop.eps}),
    "adam": (torch.optim.Adam, ADAM),
    "adamw": (torch.optim.AdamW, ADAM),
}


def draw_parameters(rng):
    return {name: Parameter(rng.normal(size=shape)) for name, shape in {"W": (4, 3), "b": (3,), "E": (5, 2)}.items()}


def groups(twins, weight_decay):
    """Weight decay for matrices but not for vectors, as in ours."""
    return [
        {"params": [p for p in twins if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in twins if p.ndim == 1], "weight_decay": 0.0},
    ]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("kind", THEIRS)
def test_twenty_steps(kind, weight_decay):
    rng = np.random.default_rng(0)
    parameters = draw_parameters(rng)
    twins = {name: tensor(p.value, grad=True) for name, p in parameters.items()}
    ours = OPTIMIZERS[kind](parameters, weight_decay=weight_decay, momentum=MOMENTUM)
    make, options = THEIRS[kind]
    theirs = make(groups(twins.values(), weight_decay), lr=0.1, **options)
    for step in range(20):
        lr = 0.1 / (1 + step)
        for group in theirs.param_groups:
            group["lr"] = lr
        for name, p in parameters.items():
            gradient = rng.normal(size=p.value.shape)
            p.zero_grad()
            p.add(gradient)
            twins[name].grad = tensor(gradient)
        ours.step(lr)
        theirs.step()
        for name, p in parameters.items():
            np.testing.assert_allclose(p.value, twins[name].detach().numpy(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("max_norm", [0.5, 1000.0])
def test_clipping(max_norm):
    rng = np.random.default_rng(0)
    parameters = draw_parameters(rng)
    twins = {name: tensor(p.value, grad=True) for name, p in parameters.items()}
    for name, p in parameters.items():
        p.add(rng.normal(size=p.value.shape))
        twins[name].grad = tensor(p.grad)
    their_norm = torch.nn.utils.clip_grad_norm_(twins.values(), max_norm)
    norm, _ = global_norm(parameters)
    assert norm == pytest.approx(their_norm.item(), rel=1e-14)
    scale = clipping(norm, max_norm)
    for name, p in parameters.items():
        np.testing.assert_allclose(p.grad * scale, twins[name].grad.numpy(), rtol=1e-6)  # torch adds 1e-6 to the norm
