"""Gradients held against central differences: what every proof of a backward pass shares."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rnnnlp.layers.parameter import Parameter

EPS = 1e-5
TOLERANCE = 1e-6
FLOOR = 1e-2  # entries smaller than this share of the array's largest are judged as if they were that large
ROUNDING = 8 * np.finfo(float).eps / EPS  # of a difference quotient, for a loss of 1


def difference_quotients(loss: Callable[[], float], array: np.ndarray) -> np.ndarray:
    """The gradient of `loss()` with respect to every entry of `array`, which is moved in place and put back."""
    gradient = np.empty_like(array)
    for place in np.ndindex(array.shape):
        value = array[place]
        array[place] = value + EPS
        above = loss()
        array[place] = value - EPS
        gradient[place] = (above - loss()) / (2 * EPS)
        array[place] = value
    return gradient


def relative_error(gradient: np.ndarray, expected: np.ndarray, loss: float) -> float:
    """The largest over all entries of |gradient - expected| / max(|gradient|, |expected|, floor).

    The floor is there because a difference quotient has an absolute error, from rounding (eps * loss / EPS) and from
    the third derivative, so that for entries near zero a ratio of their own says nothing. It is a hundredth of the
    array's largest entry, so every entry is right to 1e-8 of that; or where that is less, the size at which rounding
    alone is 1e-6 (about 2e-4 for a loss of 1). Entries above it are right to 1e-6 of themselves.
    """
    size = np.maximum(np.abs(gradient), np.abs(expected))
    floor = max(FLOOR * size.max(), ROUNDING * max(1.0, abs(loss)) / TOLERANCE)
    return float((np.abs(gradient - expected) / np.maximum(size, floor)).max())


def check_gradients(
    loss: Callable[[], float], gradients: Mapping[str, tuple[np.ndarray, np.ndarray]], *, zero: Sequence[str] = ()
) -> None:
    """Each of `gradients`, name -> (array, its gradient), must be that of `loss()` in every entry.

    A gradient that is zero everywhere proves nothing, so it is an error too, but for the names in `zero`.
    """
    for name, (array, gradient) in gradients.items():
        assert array.dtype == gradient.dtype == np.float64, f"{name} is not in float64"
        assert gradient.shape == array.shape, f"d{name} is {gradient.shape} and {name} is {array.shape}"
        expected = difference_quotients(loss, array)
        if name in zero:
            assert np.abs(gradient).max() < 1e-12, f"d{name} is not zero"
            assert np.abs(expected).max() < 1e-9, f"the loss depends on {name}"
            continue
        assert np.any(expected), f"the loss does not depend on {name}"
        error = relative_error(gradient, expected, loss())
        assert error <= TOLERANCE, f"d{name} is wrong: relative error {error:.1e}"


def randomize(parameters: Mapping[str, Parameter], rng: np.random.Generator, *, scale: float = 0.5) -> None:
    """Draws every parameter anew, biases too: zeros would hide mistakes."""
    for parameter in parameters.values():
        parameter.value[...] = rng.normal(0, scale, parameter.value.shape)


def pairs(parameters: Mapping[str, Parameter]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each parameter's value and gradient, as `check_gradients` takes them."""
    return {name: (parameter.value, parameter.grad) for name, parameter in parameters.items()}


def read_only(array: np.ndarray) -> np.ndarray:
    """A view through which nothing can be changed."""
    view = array.view()
    view.flags.writeable = False
    return view
