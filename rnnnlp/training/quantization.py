"""Weights as int8 with float32 scales: about a quarter of the size on disk. They are decoded when they are read.

A matrix is stored as int8 levels under its own name, and its scales under `<name>.scale`: a value is level times scale.
There is a scale for each row: a row is the embedding of a token, or all weights of one unit of a layer. The rows of
n-gram features have one value for each class, too few for a scale. A matrix of such short rows has a scale for each
column of each GROUP rows. Vectors, small matrices and other types stay as they are.
"""

# R rows, C columns, G groups of rows

from collections.abc import Mapping

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.files import CorruptFileError

INT8 = "int8"  # the only kind so far, as `config.json` and options name it
SCALE = "{}.scale"  # the name of the scales of a tensor
LARGEST_LEVEL = 127  # level; -128 is not used
FEWEST = 1024  # values; smaller matrices stay float32
SHORT = 16  # values; shorter rows share scales
GROUP = 32  # number of short rows that share a scale for each column


def require_known(quantize: str | None) -> None:
    """UserError unless this is a kind of quantization, or None."""
    if quantize not in (None, INT8):
        raise UserError(f"{option('quantize')} is {quantize!r}; it must be {INT8}, or None for float32")


def scale_shape(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of the scales of a tensor: `(R, 1)` or `(G, C)`; None for a tensor that stays float32."""
    if len(shape) != 2 or shape[0] * shape[1] < FEWEST:
        return None
    R, C = shape
    return (R, 1) if C >= SHORT else (-(-R // GROUP), C)


def each_row(scale: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The scales of each row of a matrix of this shape, `(R, 1)` or `(R, C)`."""
    R, C = shape
    return scale if C >= SHORT else np.repeat(scale, GROUP, axis=0)[:R]


def quantized(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors as they are stored: large float32 matrices as int8 and scales, the others as they are.

    The error of a value is at most half of its scale. Values whose scale would be denormal become 0.

    Raises:
        UserError: If a value is not finite.
    """
    stored: dict[str, np.ndarray] = {}
    for name, w in tensors.items():
        if w.dtype != np.float32 or scale_shape(w.shape) is None:
            stored[name] = w
            continue
        size = np.abs(w)  # (R, C)
        if w.shape[1] >= SHORT:
            largest = size.max(axis=1, keepdims=True)  # (R, 1)
        else:
            largest = np.maximum.reduceat(size, np.arange(0, len(w), GROUP))  # (G, C)
        scale = largest / np.float32(LARGEST_LEVEL)
        if not np.isfinite(scale).all():
            raise UserError(f"tensor {name} has values that are not finite, which {INT8} cannot hold; train again")
        scale[scale < np.finfo(np.float32).tiny] = 0
        of_rows = each_row(scale, w.shape)
        levels = np.divide(w, of_rows, out=np.zeros_like(w), where=of_rows > 0)  # (R, C)
        stored[name] = np.rint(levels, out=levels).astype(np.int8)
        stored[SCALE.format(name)] = scale
    return stored


def decoded(tensors: Mapping[str, np.ndarray], path: object) -> dict[str, np.ndarray]:
    """Tensors in float32, from those that `quantized` gave; `path` is their file, for messages.

    Raises:
        CorruptFileError: If a large matrix is not int8, or has no scale that fits to it.
    """
    found = dict(tensors)
    for name, values in tensors.items():
        shape = scale_shape(values.shape)
        if values.dtype != np.int8 or shape is None:
            continue
        scale = found.pop(SCALE.format(name), None)
        fits = scale is not None and scale.dtype == np.float32 and scale.shape == shape
        if scale is None or not fits or not (np.isfinite(scale) & (scale >= 0)).all():
            raise CorruptFileError(
                f"{path}: tensor {name} is {INT8} {values.shape} without scales that fit: float32 {shape}, finite and "
                "at least 0; restore it or export again"
            )
        with np.errstate(over="ignore"):  # the result is checked with the other tensors
            found[name] = np.multiply(values, each_row(scale, values.shape), dtype=np.float32)  # (R, C)
    for name, values in found.items():
        if values is tensors[name] and values.dtype == np.float32 and scale_shape(values.shape):
            raise CorruptFileError(
                f"{path}: tensor {name} is float32 {values.shape} where config.json says {INT8}; restore both or "
                "export again"
            )
    return found
