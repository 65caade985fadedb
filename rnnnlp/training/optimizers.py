"""Optimizers, which update parameters from gradients. Rows without a gradient, and their moments, do not change."""

# m, v: running means of the gradient g and of its square

import math
from collections.abc import Mapping

import numpy as np

from rnnnlp import kernels
from rnnnlp.layers.parameter import Parameter


class Optimizer:
    """Updates parameters in place.

    A subclass names its state arrays in `slot_names` and defines `update`. The arrays are in `slots`, by the name of
    the slot and of the parameter; checkpoints hold them. Weight decay does not apply to vectors, such as biases.
    "adamw" decouples it (Loshchilov and Hutter 2019), other optimizers add it to the gradient.

    Args:
        parameters: The parameters, by name.
        weight_decay: Strength of the weight decay.
        momentum: How much of the last running mean of the gradients a step keeps; "rmsprop" has no such mean.
    """

    slot_names: tuple[str, ...] = ()

    def __init__(self, parameters: Mapping[str, Parameter], *, weight_decay: float = 0.0, momentum: float = 0.9):
        self.parameters = parameters
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.steps = 0
        self.slots = {
            slot: {name: np.zeros(p.value.shape, p.value.dtype) for name, p in parameters.items()}
            for slot in self.slot_names
        }

    def decay_of(self, p: Parameter) -> float:
        """The weight decay of a parameter."""
        return self.weight_decay if p.value.ndim > 1 else 0.0

    def step(self, lr: float, scale: float = 1.0) -> None:
        """Updates every parameter once.

        Args:
            lr: The learning rate; each parameter multiplies it by its own factor.
            scale: Factor for the gradients, as from `clipping`.
        """
        self.steps += 1
        for name, p in self.parameters.items():
            if not p.lr_scale:
                continue
            rows, decay = p.touched, self.decay_of(p)
            slots = [self.slots[slot][name] for slot in self.slot_names]
            if isinstance(rows, slice):
                self.update(p.value, p.grad * scale, lr * p.lr_scale, decay, *slots)
            elif len(rows):
                value, parts = p.value[rows], [s[rows] for s in slots]
                self.update(value, p.grad[rows] * scale, lr * p.lr_scale, decay, *parts)
                p.value[rows] = value
                for s, part in zip(slots, parts, strict=True):
                    s[rows] = part

    def update(self, value: np.ndarray, g: np.ndarray, lr: float, decay: float, *slots: np.ndarray) -> None:
        """Updates the rows of one parameter that have a gradient.

        Args:
            value: The parameter, changed in place.
            g: Its gradient, of the same shape, never changed.
            lr: The learning rate of this parameter.
            decay: Its weight decay.
            slots: Its state arrays, of the same shape, changed in place, in the order of `slot_names`.
        """
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, like `torch.optim.SGD`."""

    slot_names = ("momentum",)

    def update(self, value: np.ndarray, g: np.ndarray, lr: float, decay: float, *slots: np.ndarray) -> None:
        (m,) = slots
        m *= self.momentum
        m += g
        if decay:
            m += decay * value
        value -= lr * m


class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012), like `torch.optim.RMSprop`."""

    slot_names = ("v",)
    beta, eps = 0.99, 1e-8

    def update(self, value: np.ndarray, g: np.ndarray, lr: float, decay: float, *slots: np.ndarray) -> None:
        (v,) = slots
        if decay:
            g = g + decay * value
        v *= self.beta
        v += (1 - self.beta) * (g * g)
        value -= lr * (g / (np.sqrt(v) + self.eps))


class AdamW(Optimizer):
    """Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019). Its beta1 is the momentum."""

    slot_names = ("m", "v")
    beta2, eps = 0.99, 1e-8

    def step(self, lr: float, scale: float = 1.0) -> None:
        gradients = [p.grad for p in self.parameters.values()]
        self.adam(gradients, lr, scale, decays=[self.decay_of(p) for p in self.parameters.values()])

    def adam(self, gradients: list[np.ndarray], lr: float, scale: float, decays: list[float]) -> None:
        """Updates every parameter from the given gradients.

        Args:
            gradients: The gradient of each parameter.
            lr: The learning rate.
            scale: Factor for the gradients.
            decays: The decoupled weight decay of each parameter.
        """
        self.steps += 1
        parameters = list(self.parameters.values())
        m, v = (list(self.slots[slot].values()) for slot in self.slot_names)
        for rate in dict.fromkeys(p.lr_scale for p in parameters if p.lr_scale):
            at_rate = [i for i, p in enumerate(parameters) if p.lr_scale == rate]
            kernels.of(gradients[0]).adam(
                [parameters[i].value for i in at_rate],
                [gradients[i] for i in at_rate],
                [m[i] for i in at_rate],
                [v[i] for i in at_rate],
                rows=[parameters[i].rows for i in at_rate],
                decays=[decays[i] for i in at_rate],
                lr=lr * rate,
                step=self.steps,
                scale=scale,
                betas=(self.momentum, self.beta2),
                eps=self.eps,
            )


class Adam(AdamW):
    """Adam (Kingma and Ba 2015); weight decay is added to the gradient."""

    def step(self, lr: float, scale: float = 1.0) -> None:
        parameters = self.parameters.values()
        if self.weight_decay:
            gradients, scale = [p.grad * scale + self.decay_of(p) * p.value for p in parameters], 1.0
        else:
            gradients = [p.grad for p in parameters]
        self.adam(gradients, lr, scale, decays=[0.0] * len(gradients))


OPTIMIZERS: dict[str, type[Optimizer]] = {"adamw": AdamW, "adam": Adam, "rmsprop": RMSprop, "sgd": SGD}


def global_norm(parameters: Mapping[str, Parameter]) -> tuple[float, dict[str, float]]:
    """The Euclidean norm of all gradients together, and that of the gradient of each parameter.

    Parameters whose learning rate is 0 are left out.
    """
    gradients = {name: p.grad[p.touched] for name, p in parameters.items() if p.lr_scale}
    backend = kernels.of(next(iter(gradients.values())))
    norms = dict(zip(gradients, backend.norms(list(gradients.values())), strict=True))
    return math.sqrt(sum(norm * norm for norm in norms.values())), norms


def clipping(norm: float, max_norm: float) -> float:
    """The factor for gradients that limits their global norm (gradient clipping, Pascanu et al. 2013).

    Args:
        norm: Their global norm.
        max_norm: Maximum norm; 0 means no limit.
    """
    return max_norm / norm if norm > max_norm > 0 else 1.0
