"""Gradients to updates. Rows of a parameter without a gradient are left alone, their moments too."""

# m, v: running means of the gradient g and of its square

import math
from collections.abc import Mapping

import numpy as np

from rnnnlp.layers.parameter import Parameter

OPTIMIZERS = ("adamw", "adam", "rmsprop", "sgd")


class Optimizer:
    """Updates named parameters in place; `slots` are its arrays, by name of slot and parameter.

    Weight decay is decoupled (Loshchilov and Hutter 2019) for "adamw", else added to the gradient; it spares vectors.
    """

    slot_names: tuple[str, ...] = ()

    def __init__(self, parameters: Mapping[str, Parameter], *, weight_decay: float = 0.0):
        self.parameters = parameters
        self.weight_decay = weight_decay
        self.steps = 0
        self.slots = {
            slot: {name: np.zeros_like(p.value) for name, p in parameters.items()} for slot in self.slot_names
        }

    def step(self, lr: float) -> None:
        """One update of every parameter from its gradient."""
        self.steps += 1
        for name, p in self.parameters.items():
            rows = p.touched
            decay = self.weight_decay if p.value.ndim > 1 else 0.0
            slots = [self.slots[slot][name] for slot in self.slot_names]
            if isinstance(rows, slice):
                self.update(p.value, p.grad, lr, decay, *slots)
            elif len(rows):
                value, parts = p.value[rows], [s[rows] for s in slots]
                self.update(value, p.grad[rows], lr, decay, *parts)
                p.value[rows] = value
                for s, part in zip(slots, parts, strict=True):
                    s[rows] = part

    def update(self, value: np.ndarray, g: np.ndarray, lr: float, decay: float, *slots: np.ndarray) -> None:
        """Changes `value` and `slots` in place, never `g`."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, as `torch.optim.SGD`."""

    slot_names = ("momentum",)

    def __init__(self, parameters: Mapping[str, Parameter], *, weight_decay: float = 0.0, momentum: float = 0.9):
        super().__init__(parameters, weight_decay=weight_decay)
        self.momentum = momentum

    def update(self, value, g, lr, decay, *slots):
        (m,) = slots
        m *= self.momentum
        m += g
        if decay:
            m += decay * value
        value -= lr * m


class RMSprop(Optimizer):
    """Tieleman and Hinton 2012, as `torch.optim.RMSprop`."""

    slot_names = ("v",)
    beta, eps = 0.99, 1e-8

    def update(self, value, g, lr, decay, *slots):
        (v,) = slots
        if decay:
            g = g + decay * value
        v *= self.beta
        v += (1 - self.beta) * (g * g)
        value -= lr * (g / (np.sqrt(v) + self.eps))


class Adam(Optimizer):
    """Kingma and Ba 2015."""

    slot_names = ("m", "v")
    beta1, beta2, eps = 0.9, 0.99, 1e-8
    decoupled = False

    def update(self, value, g, lr, decay, *slots):
        m, v = slots
        if decay and self.decoupled:
            value *= 1 - lr * decay
        elif decay:
            g = g + decay * value
        m *= self.beta1
        x = g * (1 - self.beta1)
        m += x
        v *= self.beta2
        np.multiply(g, g, out=x)
        x *= 1 - self.beta2
        v += x
        # value -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
        np.sqrt(v, out=x)
        x *= 1 / math.sqrt(1 - self.beta2**self.steps)
        x += self.eps
        np.divide(m, x, out=x)
        x *= lr / (1 - self.beta1**self.steps)
        value -= x


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    decoupled = True


def optimizer(
    kind: str, parameters: Mapping[str, Parameter], *, weight_decay: float = 0.0, momentum: float = 0.9
) -> Optimizer:
    """The optimizer named `kind`, one of OPTIMIZERS; `momentum` is for "sgd" alone."""
    if kind == "sgd":
        return SGD(parameters, weight_decay=weight_decay, momentum=momentum)
    return {"adamw": AdamW, "adam": Adam, "rmsprop": RMSprop}[kind](parameters, weight_decay=weight_decay)


def global_norm(parameters: Mapping[str, Parameter]) -> tuple[float, dict[str, float]]:
    """The Euclidean norm of all gradients together, and that of each parameter's."""
    norms = {}
    for name, p in parameters.items():
        g = p.grad[p.touched].ravel()
        norms[name] = math.sqrt(float(np.dot(g, g)))
    return math.sqrt(sum(norm * norm for norm in norms.values())), norms


def clip(parameters: Mapping[str, Parameter], norm: float, max_norm: float) -> None:
    """Scales all gradients, whose global norm is `norm`, so that it is at most `max_norm` (Pascanu et al. 2013)."""
    if norm > max_norm > 0:
        for p in parameters.values():
            p.grad[p.touched] *= max_norm / norm
