"""The modules that `to_torch` makes: plain layers of PyTorch."""

# B sequences, T steps, D embedding, H hidden, L layers, R directions, V vocabulary, K classes, N tokens, M n-grams

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from rnnnlp.exchange.torch_cells import CellLayers
from rnnnlp.layers.ngram_features import MAX_N, NGRAM_MULTIPLIER, SCALE, TOKEN_MULTIPLIER

BITS = 44  # of the hash of an n-gram of linear models: see `batches.ngrams`


def signed(number: int) -> int:
    """The int64 with the same bits as a uint64; torch has no arithmetic of uint64."""
    return number - (1 << 64) if number >= 1 << 63 else number


NEXT, MIXED = signed(0x9E3779B97F4A7C15), signed(0xD6E8FEB86659FD93)


def run(layers: nn.Module, x: Tensor, lengths: Tensor | None, state: Any = None) -> tuple[Tensor, Any]:
    """Runs recurrent layers over padded sequences.

    Args:
        layers: `nn.LSTM`, `nn.GRU`, `nn.RNN` or `CellLayers`, batch first.
        x: `(B, T, D)`.
        lengths: `(B,)`; None if all are T.
        state: As the layers take it; None for zeros.

    Returns:
        The outputs `(B, T, R*H)`, 0 after the end of a sequence, and the final state.
    """
    if isinstance(layers, CellLayers):
        return layers(x, state, lengths)
    if lengths is None:
        return layers(x, state)
    packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
    y, end = layers(packed, state)
    y, _ = pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    return y, end


class CharLM(nn.Module):
    """A language model: `embedding`, `recurrent`, `head`.

    Args:
        embedding: The embedding.
        recurrent: The recurrent layers, batch first.
        head: The linear layer to the vocabulary.
        dropout: Before the head.
    """

    def __init__(self, embedding: nn.Embedding, recurrent: nn.Module, head: nn.Linear, dropout: float = 0.0):
        super().__init__()
        self.embedding, self.recurrent, self.head = embedding, recurrent, head
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Predicts the ids that follow.

        Args:
            ids: `(B, T)`.
            state: What the call before returned, or None: h, and c for an LSTM, `(L, B, H)` each.

        Returns:
            Logits `(B, T, V)`, and the state at the end.
        """
        h, state = run(self.recurrent, self.embedding(ids), None, state)
        return self.head(self.dropout(h)), state


class Pool(nn.Module):
    """The outputs of all steps of a sequence to one vector.

    Args:
        kind: One of `layers.pooling.POOLINGS`.
        size: Features of an output.
        bidirectional: Whether the second half of the features comes from layers that read backwards.
        dtype: Of the parameters.
    """

    def __init__(self, kind: str, size: int, *, bidirectional: bool, dtype: torch.dtype):
        super().__init__()
        self.kind, self.forward_size = kind, size // 2 if bidirectional else size
        self.register_buffer(kind.replace("+", "_"), torch.zeros(0))  # so that a state dict tells the pooling
        if kind == "attention":
            self.query = nn.Parameter(torch.zeros(size, dtype=dtype))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """`(B, T, D)`, 0 after the end, to `(B, P)`."""
        lengths = lengths.to(x.device)
        alive = (torch.arange(x.shape[1], device=x.device) < lengths[:, None])[:, :, None]  # (B, T, 1)
        if self.kind == "last":
            last = x[torch.arange(len(x), device=x.device), lengths - 1]  # (B, D)
            return torch.cat([last[:, : self.forward_size], x[:, 0, self.forward_size :]], dim=1)
        if self.kind == "attention":
            weight = (x @ self.query)[:, :, None].masked_fill(~alive, -torch.inf).softmax(dim=1)
            return (weight * x).sum(dim=1)
        parts = []
        for part in self.kind.split("+"):
            if part == "mean":
                parts.append(x.sum(dim=1) / lengths[:, None])
            else:
                parts.append(x.masked_fill(~alive, -torch.inf).amax(dim=1))
        return torch.cat(parts, dim=1)


class NgramFeatures(nn.Module):
    """As `layers.ngram_features.NgramFeatures`: logits from hashed n-grams of ids."""

    log_count_ratio: Tensor

    def __init__(self, buckets: int, classes: int, *, dtype: torch.dtype):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(buckets, classes, dtype=dtype))
        self.register_buffer("log_count_ratio", torch.zeros(buckets, classes, dtype=dtype))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids `(B, T)` and lengths `(B,)` to logits `(B, K)`."""
        B, T = ids.shape
        buckets, classes = self.weight.shape
        lengths = lengths.to(ids.device)
        alive = torch.arange(T, device=ids.device) < lengths[:, None]  # (B, T)
        sequence = torch.arange(B, device=ids.device)[:, None] * buckets  # (B, 1)
        ngram = ids.long() + 1
        last = ngram * TOKEN_MULTIPLIER
        keys = [(sequence + last % buckets)[alive]]
        for _ in range(1, MAX_N):  # the beginning of a sequence counts as one more token
            ngram = nn.functional.pad(ngram[:, :-1], (1, 0)) * NGRAM_MULTIPLIER + last + 1
            keys.append((sequence + ngram % buckets)[alive])
        unique = torch.unique(torch.cat(keys))  # (M,)
        of, bucket = unique // buckets, unique % buckets
        values = self.log_count_ratio[bucket] * self.weight[bucket]  # (M, K)
        sums = values.new_zeros(B, classes).index_add(0, of, values)
        return sums * (SCALE / torch.bincount(of, minlength=B).to(sums.dtype).sqrt())[:, None]


class NgramModel(nn.Module):
    """As `tasks.sentiment.linear.NgramModel`: logistic regression on counts of n-grams of one view of a text."""

    ngrams: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, arrays: Mapping[str, Tensor], shortest: int, longest: int, space: int | None):
        super().__init__()
        self.shortest, self.longest, self.space = shortest, longest, space
        for name, array in arrays.items():
            self.register_buffer(name, array)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Ids `(B, T)` and lengths `(B,)` to logits `(B, K)`."""
        B, T = ids.shape
        alive = torch.arange(T, device=ids.device) < lengths.to(ids.device)[:, None]  # (B, T)
        document = torch.arange(B, device=ids.device)[:, None].expand(B, T)[alive]  # (N,)
        keys = torch.cat(list(self._keys(ids.long()[alive], document)))
        unique, counts = torch.unique(keys, return_counts=True)  # (M,), (M,)
        of, ngrams = unique >> BITS, unique & ((1 << BITS) - 1)
        places = torch.searchsorted(self.ngrams, ngrams).clamp(max=len(self.ngrams) - 1)
        known = self.ngrams[places] == ngrams
        of, places = of[known], places[known]
        values = (1 + counts[known].to(self.scale.dtype).log()) * self.scale[places]
        squares = values.new_zeros(B).index_add(0, of, values**2)
        values = values / squares.clamp(min=1e-12).sqrt()[of]
        z = self.weight.new_zeros(B, self.weight.shape[1]).index_add(0, of, values[:, None] * self.weight[places])
        z = z + self.bias
        return torch.cat([-z / 2, z / 2], dim=1) if z.shape[1] == 1 else z

    def _keys(self, ids: Tensor, document: Tensor) -> Iterator[Tensor]:
        """For each n a key of document and hash for each n-gram; see `batches.ngrams.ngrams_in`."""
        spaces = torch.cumsum(ids == (-1 if self.space is None else self.space), dim=0)
        ngram = torch.zeros_like(ids)
        for n in range(1, self.longest + 1):
            inside = max(0, len(ids) - n + 1)
            ngram = ngram[:inside] * NEXT + (ids + 1)[n - 1 :]  # modulo 2**64
            if n < self.shortest:
                continue
            whole = document[:inside] == document[n - 1 :]
            if n > 2:
                whole = whole & (spaces[:inside] == spaces[n - 2 : len(ids) - 1])
            of_starts = ngram[whole]
            shifted = (of_starts >> 29) & ((1 << 35) - 1)  # as of an unsigned number
            mixed = (((of_starts ^ shifted) * MIXED) >> (64 - BITS)) & ((1 << BITS) - 1)
            yield (document[:inside][whole] << BITS) + mixed


class LinearModel(nn.Module):
    """As `tasks.sentiment.linear.LinearModel`: the models of some views, stacked."""

    weights: Tensor

    def __init__(self, weights: Tensor, views: Mapping[str, NgramModel]):
        super().__init__()
        self.register_buffer("weights", weights)
        self.views = tuple(views)
        for name, view in views.items():
            self.add_module(name, view)

    def forward(
        self, ids: Tensor, lengths: Tensor, characters: Tensor | None, character_lengths: Tensor | None
    ) -> Tensor:
        """Tokens and characters `(B, T)`, each with lengths `(B,)`, to logits `(B, K)`."""
        logits = []
        for name in self.views:
            view = self.get_submodule(name)
            if view.space is None:
                logits.append(view(ids, lengths))
            elif characters is None or character_lengths is None:
                raise ValueError("this model also reads characters: call it with what `torch_inputs` gives")
            else:
                logits.append(view(characters, character_lengths))
        return torch.einsum("v,vbk->bk", self.weights.to(logits[0].dtype), torch.stack(logits))


class Classifier(nn.Module):
    """A classifier: `embedding`, `recurrent`, `pool`, `head`, perhaps `ngrams` and `linear`.

    The softmax of its logits are the calibrated probabilities: they are divided by the temperature.

    Args:
        embedding: The embedding.
        recurrent: The recurrent layers, batch first.
        pool: The pooling.
        head: The linear layer to the classes.
        ngrams: N-gram features, which add to the logits.
        linear: A linear model that is stacked with the network.
        dropout: Before the head.
    """

    log_temperature: Tensor
    stacking: Tensor

    def __init__(
        self,
        embedding: nn.Embedding,
        recurrent: nn.Module,
        pool: Pool,
        head: nn.Linear,
        ngrams: NgramFeatures | None = None,
        linear: LinearModel | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.embedding, self.recurrent, self.pool, self.head = embedding, recurrent, pool, head
        self.ngrams, self.linear = ngrams, linear
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("log_temperature", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("max_length", torch.zeros(1, dtype=torch.int64))  # for `from_torch`; texts are cut before
        if linear is not None:
            self.register_buffer("stacking", torch.tensor([1.0, 0.0], dtype=torch.float64))

    def forward(
        self,
        ids: Tensor | PackedSequence,
        lengths: Tensor | None = None,
        characters: Tensor | None = None,
        character_lengths: Tensor | None = None,
    ) -> Tensor:
        """The calibrated logits `(B, K)`.

        Args:
            ids: `(B, T)`, padded with any id; or a packed sequence of ids.
            lengths: `(B,)`, at least 1 each; by default all are T.
            characters: Of each text, as `torch_inputs` gives them; only for a model with a linear model of these.
            character_lengths: Their number, `(B,)`.
        """
        if isinstance(ids, PackedSequence):
            ids, lengths = pad_packed_sequence(ids, batch_first=True)
        if lengths is None:
            lengths = torch.full((len(ids),), ids.shape[1])
        h, _ = run(self.recurrent, self.embedding(ids), lengths)
        logits = self.head(self.dropout(self.pool(h, lengths)))
        if self.ngrams is not None:
            logits = logits + self.ngrams(ids, lengths)
        if self.linear is not None:
            own, of_linear = self.stacking.to(logits.dtype)
            logits = own * logits + of_linear * self.linear(ids, lengths, characters, character_lengths)
        return logits / self.log_temperature.exp().to(logits.dtype)


class Ensemble(nn.Module):
    """Classifiers whose logits are added, each with a weight. The softmax of the sum are the probabilities.

    Args:
        members: The classifiers, without temperatures.
        weights: `(members,)`.
    """

    weights: Tensor

    def __init__(self, members: Sequence[Classifier], weights: Tensor):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("weights", weights)

    def forward(self, members: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """The logits `(B, K)`; `members` has the arguments of each member, whose tokenizers may differ."""
        logits = torch.stack([module(**inputs) for module, inputs in zip(self.members, members, strict=True)])
        return torch.einsum("m,mbk->bk", self.weights.to(logits.dtype), logits)
