"""The contract of a backend: every function that `numpy/` and `native/` have, documented once.

`kernels.of` returns the backend for an array. Both backends are packages with these functions at the top, and with the
same file names inside: recurrent, matmul, rows, pooling, loss, optimizer, decoder.

Three rules hold for all functions:

- Arrays that are passed in are never changed, except where the text says "in place" or "receives", and for
  `overwrite=True`: the caller then gives up `pre`, or the tape, and the kernel may write into it.
- No function draws random numbers.
- Results have the dtype of the arguments. `native` takes float32 only.
"""

# N tokens, T steps, B sequences, D input, H hidden, G gates (and G*H columns of them), K outputs or classes,
# V vocabulary (rows of a table), U unique ids, L layers

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
State: TypeAlias = tuple[Array, ...]  # one array for each state of the cell: (h,), for the LSTM (h, c)
Tape: TypeAlias = Any  # belongs to the kernel that made it; nobody else looks inside


class LayerWeights(NamedTuple):
    """The weights of one recurrent layer and direction, as the kernels take them."""

    W_x: Array  # (G*H, D), or (G*H, H) above the first layer
    W_h: Array  # (G*H, H)
    bias: Array  # (G*H,), what is added to `x @ W_x.T`
    extra: State  # the cell's extra parameters, in the order of `Cell.extra`


class DecoderProtocol(Protocol):
    """A language model that goes on token by token: what `Backend.Decoder` returns.

    It copies the weights, so later changes of them are not seen. It begins with a state of zeros.
    """

    @property
    def logits(self) -> Array:
        """The logits `(V,)` of the next token."""

    @property
    def state(self) -> State:
        """The state after the tokens read so far, arrays `(L, H)`."""

    def set(self, state: State, logits: Array) -> None:
        """Continues from another place.

        Args:
            state: Arrays `(L, H)`, as `state` was at that place.
            logits: `(V,)`, as `logits` was at that place.
        """

    def read(self, tokens: Array) -> Array:
        """Reads tokens and returns the logits of the token after them.

        Args:
            tokens: Ids `(n,)` from 0 to V - 1, n >= 1.

        Returns:
            The logits `(V,)`.
        """

    def sample(
        self,
        uniforms: Array,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        repetition_penalty: float = 1.0,
        repetition_window: int = 64,
        unknown_id: int | None = None,
        recent: Sequence[int] = (),
    ) -> list[int]:
        """Samples one token for each of `uniforms` and reads it.

        Args:
            uniforms: float64 numbers `(n,)` from [0, 1).
            temperature: Divides the logits; 0 takes the most probable token.
            top_k: Number of most probable tokens to sample from; 0 for all.
            top_p: Sample from the fewest tokens that together have this probability.
            repetition_penalty: Makes recent tokens less probable if above 1.
            repetition_window: Number of recent tokens that are penalised.
            unknown_id: The id that is never sampled, if any.
            recent: Tokens sampled before this call, for the penalty.

        Returns:
            The tokens, as `kernels.sampling.sample_token` chooses them.

        Raises:
            ValueError: If a number of `uniforms` is outside [0, 1), `temperature` is below 0, or `top_p` or
                `repetition_penalty` is not above 0.
        """


class Backend(Protocol):
    """The arithmetic that takes most of the time: recurrent layers, matrix products, losses, optimizers, decoders."""

    def cells(self) -> Collection[str]:
        """The names of the cells that `forward` and `Decoder` take."""

    def empty(self, shape: Sequence[int], dtype: np.dtype) -> Array:
        """Makes an uninitialized array in the backend's memory.

        Args:
            shape: One or two sizes.
            dtype: A float type.
        """

    def forward(
        self,
        cell: str,
        pre: Array,
        batch_sizes: Array,
        state: State,
        W_h: Array,
        extra: State = (),
        *,
        reverse: bool = False,
        row_index: Array | None = None,
        keep_tape: bool = True,
        overwrite: bool = False,
        out: Array | None = None,
    ) -> tuple[Array, State, Tape]:
        """Runs a cell over all steps of a packed batch.

        Args:
            cell: One of `cells()`.
            pre: The input's share of the gates' pre-activations `(N, G*H)`, biases included.
            batch_sizes: int64 `(T,)`, the number of sequences alive at each step, non-increasing.
            state: Initial states `(B, H)`, one for each state of the cell.
            W_h: Recurrent weights `(G*H, H)`.
            extra: The cell's extra parameters, in the order of `Cell.extra`.
            reverse: Run from the last step to the first. Each sequence then starts at its own last step.
            row_index: `(N,)`. If given, `pre` is a table `(V, G*H)`, and row n takes `pre[row_index[n]]`.
            keep_tape: False for inference: no backward follows, and the tape is None.
            overwrite: The caller no longer needs `pre`; the tape may use its memory. A table, with `row_index`, is not
                changed.
            out: Receives `h`. It may be some columns of a wider array.

        Returns:
            h: The outputs of all steps `(N, H)`; `out` if given.
            state_T: Each sequence's states after its last step, arrays `(B, H)`.
            tape: What `backward` needs. It keeps the arguments and `h`, which must not change before that.
        """

    def backward(
        self, dh: Array, dstate_T: State, tape: Tape, *, overwrite: bool = False
    ) -> tuple[Array, State, Array, State]:
        """Backpropagates through all steps of a forward pass.

        Args:
            dh: Gradient of the outputs `(N, H)`.
            dstate_T: Gradients of the final states, arrays `(B, H)`.
            tape: The tape of that forward pass.
            overwrite: The tape is used up: the results may use its memory, so it serves only one backward pass.

        Returns:
            dpre: Gradient `(N, G*H)`, also where the forward pass had a table and `row_index`.
            dstate_0: Gradients of the initial states, arrays `(B, H)`.
            dW_h: Gradient `(G*H, H)`.
            dextra: Gradients of the extra parameters, in the shapes of `extra`.
        """

    def matmul_nt(self, x: Array, W: Array, bias: Array | None = None) -> Array:
        """Computes a linear layer: `x @ W.T + bias`.

        Args:
            x: `(N, D)`.
            W: `(K, D)`.
            bias: `(K,)`.

        Returns:
            `(N, K)`.
        """

    def matmul(self, dy: Array, W: Array) -> Array:
        """Computes the gradient of a linear layer's input: `dy @ W`.

        Args:
            dy: `(N, K)`.
            W: `(K, D)`.

        Returns:
            `(N, D)`.
        """

    def matmul_tn(self, dy: Array, x: Array, *, sums: Array | None = None) -> Array:
        """Computes the gradient of a linear layer's weights: `dy.T @ x`.

        Args:
            dy: `(N, K)`.
            x: `(N, D)`.
            sums: Receives the gradient of the bias `(K,)`: the sum of the rows of `dy`.

        Returns:
            `(K, D)`.
        """

    def unique(self, ids: Array, vocab_size: int) -> tuple[Array, Array]:
        """Finds the unique ids, as `numpy.unique(ids, return_inverse=True)` does.

        A layer above an embedding multiplies each unique row once. Its product is the table for
        `forward(..., row_index=)`, and `add_rows` takes `dpre` back to the table.

        Args:
            ids: `(N,)`, each below `vocab_size`.
            vocab_size: V.

        Returns:
            rows: The unique ids, sorted, int64 `(U,)`.
            row_index: `(N,)`, so that `rows[row_index]` is `ids`.
        """

    def gather_rows(self, table: Array, ids: Array) -> Array:
        """Looks up rows: `table[ids]`.

        Args:
            table: `(V, D)`.
            ids: `(N,)`.

        Returns:
            `(N, D)`.
        """

    def add_rows(self, rows: Array, ids: Array, table: Array) -> None:
        """Adds rows to a table in place: `table[ids[n]] += rows[n]` for each n.

        Args:
            rows: `(N, D)`.
            ids: `(N,)`; ids may repeat.
            table: `(V, D)`, changed in place.
        """

    def mean_and_max(self, x: Array, batch_sizes: Array) -> tuple[Array, Array]:
        """Computes each sequence's mean and maximum over its steps.

        Args:
            x: Packed rows `(N, D)`.
            batch_sizes: `(T,)`.

        Returns:
            mean: `(B, D)`.
            largest: `(B, D)`.
        """

    def mean_and_max_backward(
        self, dmean: Array, dlargest: Array, x: Array, largest: Array, batch_sizes: Array
    ) -> Array:
        """Backpropagates through `mean_and_max`. The gradient of a maximum goes to the first row that has it.

        Args:
            dmean: `(B, D)`.
            dlargest: `(B, D)`.
            x: `(N, D)`.
            largest: `(B, D)`.
            batch_sizes: `(T,)`.

        Returns:
            dx: `(N, D)`.
        """

    def softmax_cross_entropy(
        self, logits: Array, targets: Array, *, label_smoothing: float = 0.0
    ) -> tuple[float, float, Array]:
        """Computes the cross-entropy of softmax, summed over rows, and its gradient.

        The mean loss is `loss_sum / count`, and its gradient is `dlogits / count`. The option means what it means in
        `torch.nn.CrossEntropyLoss`.

        Args:
            logits: `(N, K)`.
            targets: The classes `(N,)`.
            label_smoothing: Share of each target that is spread evenly over all classes (Szegedy et al. 2016).

        Returns:
            loss_sum: In nats.
            count: N.
            dlogits: `(N, K)`.
        """

    def norms(self, gradients: Sequence[Array]) -> list[float]:
        """Computes the Euclidean norm of each array.

        Args:
            gradients: Arrays of any shape.
        """

    def adam(
        self,
        values: Sequence[Array],
        gradients: Sequence[Array],
        m: Sequence[Array],
        v: Sequence[Array],
        *,
        rows: Sequence[Array | None],
        decays: Sequence[float],
        lr: float,
        step: int,
        scale: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
    ) -> None:
        """Updates all parameters in place with one step of AdamW (Loshchilov and Hutter 2019).

        Args:
            values: The parameters, changed in place.
            gradients: Their gradients, in the same shapes.
            m: Running means of the gradients, changed in place.
            v: Running means of the squared gradients, changed in place.
            rows: For each parameter None, or int64 row numbers, sorted, each once. Other rows, and their `m` and `v`,
                stay as they are.
            decays: Weight decay of each parameter.
            lr: Learning rate.
            step: Number of this update, from 1. At every 128th, moments below 1e-30 become 0: they are far below `eps`,
                and would become denormal numbers, which are slow.
            scale: Multiplies all gradients, as clipping does.
            betas: Decay rates of `m` and `v`.
            eps: Added to the square root of `v`.
        """

    def Decoder(
        self, cell: str, embedding: Array, layers: Sequence[LayerWeights], W_out: Array, b_out: Array
    ) -> DecoderProtocol:
        """Makes a decoder: a language model that reads and samples token by token.

        Args:
            cell: One of `cells()`.
            embedding: `(V, D)`.
            layers: The weights of each recurrent layer.
            W_out: Output weights `(V, H)`.
            b_out: Output bias `(V,)`.
        """


class NativeBackend(Backend, Protocol):
    """What the native kernels have besides."""

    def instruction_set(self) -> str:
        """The instruction set in use: the best that this processor has, or that of RNNNLP_ISA.

        Raises:
            ValueError: This processor does not have the one in RNNNLP_ISA.
        """

    def instruction_sets(self) -> str:
        """Those that this processor has, best first, joined by ", "."""

    def set_threads(self, threads: int) -> None:
        """Sets the number of threads, the caller's included."""

    def threads(self) -> int:
        """The number of threads, the caller's included."""
