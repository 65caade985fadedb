"""The same layers and networks in torch.nn, with copies of the weights."""

# N tokens, T steps, B sequences, D input, H hidden, L layers, R directions

import numpy as np

from tests.parity.torch_or_skip import torch

CELLS = {
    "lstm": (torch.nn.LSTM, {}),
    "gru": (torch.nn.GRU, {}),
    "elman_tanh": (torch.nn.RNN, {"nonlinearity": "tanh"}),
    "elman_relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
}
NAMES = {"W_x": "weight_ih", "W_h": "weight_hh", "b_x": "bias_ih", "b_h": "bias_hh"}


def tensor(array, *, grad=False):
    return torch.tensor(array, requires_grad=grad)


def packed(values, batch_sizes):
    return torch.nn.utils.rnn.PackedSequence(values, torch.from_numpy(np.array(batch_sizes)))


def as_torch_state(state):
    """A tuple of states as torch.nn takes it: a pair for the LSTM, else a tensor."""
    return tuple(state) if len(state) == 2 else state[0]


def as_tuple(state):
    return state if isinstance(state, tuple) else (state,)


def twin_name(name):
    """`0.reverse.W_h` -> `weight_hh_l0_reverse`."""
    k, direction, array = name.split(".")
    return f"{NAMES[array]}_l{k}" + ("_reverse" if direction == "reverse" else "")


def recurrent_twin(cell, layer):
    """torch.nn.LSTM, GRU or RNN with the weights of `layer`."""
    kind, options = CELLS[cell]
    parameters = layer.parameters()
    W_x = parameters["0.forward.W_x"].value
    twin = kind(
        W_x.shape[1],
        layer.hidden_size,
        num_layers=len(layer.layers),
        bidirectional=len(layer.layers[0]) == 2,
        dtype=tensor(W_x).dtype,
        **options,
    )
    copy_weights(parameters, dict(twin.named_parameters()), twin_name)
    return twin


def copy_weights(parameters, twins, name_of=lambda name: name):
    """Copies our parameters into theirs; the names must be the same."""
    assert {name_of(name) for name in parameters} == set(twins)
    with torch.no_grad():
        for name, parameter in parameters.items():
            twins[name_of(name)].copy_(tensor(parameter.value))


class CharLMTwin(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        V, D = model.embedding.weight.value.shape
        self.embedding = torch.nn.Embedding(V, D, dtype=torch.float64)
        self.recurrent = recurrent_twin(model.config.cell, model.recurrent)
        self.head = torch.nn.Linear(model.config.hidden_size, V, dtype=torch.float64)
        if model.config.tied_weights:
            self.head.weight = self.embedding.weight
        copy_weights(model.parameters(), dict(self.named_parameters()), model_twin_name)

    def forward(self, ids, batch_sizes, state):
        h, state_T = self.recurrent(packed(self.embedding(ids), batch_sizes), state)
        return self.head(h.data), state_T


class SentimentTwin(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        V, D = model.embedding.weight.value.shape
        self.kind, self.bidirectional = model.config.pooling, model.config.bidirectional
        self.embedding = torch.nn.Embedding(V, D, dtype=torch.float64)
        self.recurrent = recurrent_twin(model.config.cell, model.recurrent)
        if self.kind == "attention":
            self.query = torch.nn.Parameter(torch.empty(model.recurrent.output_size, dtype=torch.float64))
        self.head = torch.nn.Linear(model.pool.output_size, len(model.config.labels), dtype=torch.float64)
        copy_weights(model.parameters(), dict(self.named_parameters()), model_twin_name)

    def forward(self, ids, batch_sizes):
        h, end = self.recurrent(packed(self.embedding(ids), batch_sizes))
        return self.head(self.pool(h, as_tuple(end)[0]))

    def pool(self, h, end):
        """The padded outputs `(T, B, R*H)` and the final states `(L*R, B, H)` -> `(B, P)`."""
        x, lengths = torch.nn.utils.rnn.pad_packed_sequence(h)
        alive = (torch.arange(len(x))[:, None] < lengths)[:, :, None]  # (T, B, 1)
        mean = x.sum(dim=0) / lengths[:, None]
        largest = x.masked_fill(~alive, -torch.inf).amax(dim=0)
        if self.kind == "attention":
            weight = (x @ self.query)[:, :, None].masked_fill(~alive, -torch.inf).softmax(dim=0)
            return (weight * x).sum(dim=0)
        last = torch.cat([end[-2], end[-1]], dim=1) if self.bidirectional else end[-1]
        return {"last": last, "mean": mean, "max": largest, "mean+max": torch.cat([mean, largest], dim=1)}[self.kind]


def model_twin_name(name):
    layer, rest = name.split(".", maxsplit=1)
    if layer == "recurrent":
        return f"recurrent.{twin_name(rest)}"
    return "query" if layer == "pool" else name
