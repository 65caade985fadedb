"""An ONNX graph that is written like NumPy: its values can be added, multiplied and given to NumPy functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from rnnnlp.errors import UserError

OPSET = 18  # the first in which ScatterND adds, Split takes a number of parts, and reductions take axes as an input
MOST_BYTES = (1 << 31) - (1 << 20)  # of a file: a limit of its format, protobuf


class Value:
    """A value of a graph: the output of a node, an input, or a constant.

    Operators and the NumPy functions of `NUMPY` add nodes to the graph, so the definition of a recurrent cell
    (`kernels/definition.py`) can be run with values in place of arrays.
    """

    def __init__(self, graph: Graph, name: str):
        self.graph, self.name = graph, name

    def __add__(self, other: Operand) -> Value:
        return self.graph.node("Add", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self.graph.node("Add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self.graph.node("Sub", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self.graph.node("Sub", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self.graph.node("Mul", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return self.graph.node("Mul", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self.graph.node("Div", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.graph.node("Div", other, self)

    def __matmul__(self, other: Operand) -> Value:
        return self.graph.node("MatMul", self, other)

    def __neg__(self) -> Value:
        return self.graph.node("Neg", self)

    def __pow__(self, other: Operand) -> Value:
        return self.graph.node("Pow", self, other)

    @property
    def T(self) -> Value:
        return self.graph.node("Transpose", self)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Value:
        if method != "__call__" or options:
            raise NotImplementedError(f"{ufunc.__name__}.{method} with {', '.join(options)}")
        return _numpy(ufunc)(self.graph, *inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _numpy(function)(self.graph, *args, **kwargs)


Operand: TypeAlias = Value | np.ndarray | np.generic | float


class Graph:
    """Nodes, constants, inputs and outputs; `body` makes another graph that sees the values of this one."""

    def __init__(self, outer: Graph | None = None) -> None:
        self.outer = outer
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.constants: dict[str, Any] = {} if outer is None else outer.constants
        self._names: list[int] = [0] if outer is None else outer._names
        self._known: dict[Any, Value] = {}

    def body(self) -> Graph:
        """A graph for the body of a loop."""
        return Graph(self)

    def name(self, kind: str) -> str:
        """A new name."""
        self._names[0] += 1
        return f"{kind}_{self._names[0]}"

    def takes(self, name: str, dtype: Any, shape: Sequence[int | str] | None) -> Value:
        """An input; names in its shape stand for numbers that are left open."""
        self.inputs.append(value_info(name, dtype, shape))
        return Value(self, name)

    def returns(self, value: Value, name: str, dtype: Any, shape: Sequence[int | str] | None) -> None:
        """Makes a value an output of this name."""
        self.nodes.append(helper().make_node("Identity", [value.name], [name]))
        self.outputs.append(value_info(name, dtype, shape))

    def constant(self, array: Any, name: str | None = None) -> Value:
        """A constant, once for each name or content."""
        import onnx.numpy_helper

        array = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
        key = name or (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            named = name or self.name("constant")
            if named not in self.constants:
                self.constants[named] = onnx.numpy_helper.from_array(array, named)
            self._known[key] = Value(self, named)
        return self._known[key]

    def ints(self, *values: int) -> Value:
        """A constant int64 vector, as shapes and axes are given."""
        return self.constant(np.array(values, np.int64))

    def node(self, kind: str, *inputs: Operand | None, **attributes: Any) -> Value:
        """The output of a new node."""
        return self.nodes_of(kind, 1, *inputs, **attributes)[0]

    def nodes_of(self, kind: str, outputs: int, *inputs: Operand | None, **attributes: Any) -> list[Value]:
        """The outputs of a new node with several."""
        given = [self.value(x) for x in inputs]
        names = [self.name(kind.lower()) for _ in range(outputs)]
        self.nodes.append(helper().make_node(kind, [x.name if x else "" for x in given], names, **attributes))
        return [Value(self, name) for name in names]

    def value(self, x: Operand | None) -> Value | None:
        """A value as it is; a number as a constant, a fraction in float32."""
        if x is None or isinstance(x, Value):
            return x
        return self.constant(x if isinstance(x, np.ndarray | np.generic) else np.float32(x))

    def cut(self, x: Value, start: int, stop: int | None = None, *, axis: int = 1) -> Value:
        """`x[:, start:stop]`, or the same of another axis."""
        stop = (1 << 62) if stop is None else stop
        return self.node("Slice", x, self.ints(start), self.ints(stop), self.ints(axis))

    def cast(self, x: Value, dtype: Any) -> Value:
        return self.node("Cast", x, to=element_type(dtype))

    def concatenate(self, values: Sequence[Value], axis: int) -> Value:
        return values[0] if len(values) == 1 else self.node("Concat", *values, axis=axis)

    def sum(self, x: Value, axis: int, *, keepdims: bool = False) -> Value:
        return self.node("ReduceSum", x, self.ints(axis), keepdims=int(keepdims))

    def length(self, x: Value, axis: int) -> Value:
        """The size of an axis, `(1,)`."""
        return self.node("Shape", x, start=axis, end=axis + 1)

    def count_up(self, number: Value) -> Value:
        """0, 1, ... up to a number `(1,)`, exclusive."""
        zero, one = self.constant(np.int64(0)), self.constant(np.int64(1))
        return self.node("Range", zero, self.node("Squeeze", number), one)

    def sums_by_row(self, rows: Value, values: Value, number: Value) -> Value:
        """Sums of values `(M, C)` that belong to the same of `number (1,)` rows, `(number, C)`; `rows` is `(M,)`."""
        shape = self.concatenate([number, self.length(values, 1)], 0)
        zeros = self.node("Expand", self.constant(np.float32(0)), shape)
        index = self.node("Unsqueeze", rows, self.ints(1))
        return self.node("ScatterND", zeros, index, values, reduction="add")

    def proto(self, name: str, *, constants: bool = True) -> Any:
        """The graph as the `onnx` library has it."""
        kept = list(self.constants.values()) if constants else []
        return helper().make_graph(self.nodes, name, self.inputs, self.outputs, initializer=kept)

    def model(self, name: str, metadata: dict[str, str]) -> bytes:
        """The content of an ONNX file, checked.

        Raises:
            UserError: If it is larger than such a file may be.
        """
        import onnx

        from rnnnlp.version import __version__

        size = sum(len(constant.raw_data) for constant in self.constants.values())
        if size > MOST_BYTES:
            raise UserError(
                f"the graph would have {size} bytes, and an ONNX file has at most {MOST_BYTES}; train a smaller "
                "model, or one with fewer n-gram features"
            )
        model = helper().make_model_gen_version(
            self.proto(name),
            opset_imports=[helper().make_opsetid("", OPSET)],
            producer_name="rnnnlp",
            producer_version=__version__,
        )
        helper().set_model_props(model, metadata)
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
        return content


def helper() -> Any:
    import onnx.helper

    return onnx.helper


def element_type(dtype: Any) -> int:
    found: int = helper().np_dtype_to_tensor_dtype(np.dtype(dtype))
    return found


def value_info(name: str, dtype: Any, shape: Sequence[int | str] | None) -> Any:
    return helper().make_tensor_value_info(name, element_type(dtype), shape)


def _split(graph: Graph, x: Value, parts: int, axis: int = 0) -> list[Value]:
    return graph.nodes_of("Split", parts, x, axis=axis, num_outputs=parts)


def _plain(kind: str) -> Callable[..., Value]:
    return lambda graph, *inputs: graph.node(kind, *inputs)


def _clip(graph: Graph, x: Value, low: float, high: float) -> Value:
    return graph.node("Clip", x, low, high)


# What the definition of a cell may use of NumPy: the same as in `torch_cells.py`.
NUMPY: dict[Any, Callable[..., Any]] = {
    np.add: _plain("Add"),
    np.subtract: _plain("Sub"),
    np.multiply: _plain("Mul"),
    np.divide: _plain("Div"),
    np.matmul: _plain("MatMul"),
    np.maximum: _plain("Max"),
    np.minimum: _plain("Min"),
    np.negative: _plain("Neg"),
    np.power: _plain("Pow"),
    np.abs: _plain("Abs"),
    np.exp: _plain("Exp"),
    np.log: _plain("Log"),
    np.sqrt: _plain("Sqrt"),
    np.tanh: _plain("Tanh"),
    np.sin: _plain("Sin"),
    np.cos: _plain("Cos"),
    np.split: _split,
    np.concatenate: lambda graph, parts, axis=0: graph.concatenate(list(parts), axis),
    np.clip: _clip,
    np.mean: lambda graph, x, axis, keepdims=False: graph.node(
        "ReduceMean", x, graph.ints(axis), keepdims=int(keepdims)
    ),
    np.sum: lambda graph, x, axis, keepdims=False: graph.sum(x, axis, keepdims=keepdims),
    np.transpose: _plain("Transpose"),
}


def _numpy(function: Any) -> Callable[..., Any]:
    """The nodes of a NumPy function; NotImplementedError if there are none."""
    if function not in NUMPY:
        raise NotImplementedError(f"numpy.{getattr(function, '__name__', function)}")
    return NUMPY[function]
