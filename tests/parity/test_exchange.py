"""Models to and from PyTorch: the same outputs, and the usual models of tutorials."""

import sys

import numpy as np
import pytest

from rnnnlp import CharLM, SentimentClassifier
from rnnnlp.errors import UserError
from rnnnlp.exchange.torch import from_torch, to_torch, torch_inputs
from rnnnlp.kernels import CELLS
from rnnnlp.kernels.cells import Cell
from rnnnlp.layers.pooling import POOLINGS
from rnnnlp.tasks.char_lm.config import CharLMConfig
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.linear import VIEWS, LinearModel, ngrams_of
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.word_lm.config import WordLMConfig
from rnnnlp.tasks.word_lm.network import WordLMNetwork
from rnnnlp.text import CharTokenizer, WordTokenizer
from tests.gradients import randomize
from tests.parity.torch_or_skip import torch

TEXTS = ["a good film , a very good one", "bad", "", "not a good film ; a bad bad film , café", "so so"]
WORDS = WordTokenizer(sorted({*" ".join(TEXTS).split()}))
LABELS = ("bad", "fair", "good")
V, H = 11, 6


def classifier(labels=LABELS, seed=0, **options):
    rng = np.random.default_rng(seed)
    config = SentimentConfig(
        vocab_size=WORDS.vocab_size, labels=labels, embedding_size=5, hidden_size=H, **options, dropout=0.3
    )
    network = SentimentNetwork(config, WORDS, rng=rng)
    randomize(network.parameters(), rng, scale=0.5)
    if network.ngrams is not None:
        network.ngrams.log_count_ratio[...] = rng.normal(size=network.ngrams.log_count_ratio.shape)
    network.log_temperature[0] = 0.4
    return network


def with_linear(network):
    """The network with a linear model of all views, whose weights are random."""
    rng, documents = np.random.default_rng(5), network.encode(TEXTS)
    found = {name: np.unique(ngrams_of(view, TEXTS, documents).ngrams)[::2] for name, view in VIEWS.items()}
    model = LinearModel({name: len(ngrams) for name, ngrams in found.items()}, len(network.labels))
    model.weights[...] = rng.uniform(0.1, 1, size=len(VIEWS))
    for name, view in model.views.items():
        for array in (view.scale, view.weight, view.bias):
            array[...] = rng.uniform(0.5, 1, size=array.shape)
        view.ngrams[...] = found[name]
    network.add_linear(model)
    network.stacking[...] = (0.6, 0.4)
    return network


def assert_same_probabilities(model, texts=TEXTS):
    module = to_torch(model)
    with torch.no_grad():
        found = module(**torch_inputs(model, texts)).softmax(dim=1).numpy()
    np.testing.assert_allclose(found, model.predict_proba(texts), atol=1e-6)
    return module


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_a_classifier_of_each_cell(cell, bidirectional, num_layers):
    network = classifier(cell=cell, bidirectional=bidirectional, num_layers=num_layers)
    if cell == "elman_relu":
        for parameter in network.parameters().values():  # or its states grow with the length
            parameter.value *= 0.3
    module = assert_same_probabilities(network)
    assert not module.training


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_classifier_of_each_pooling_comes_back(pooling):
    network = classifier(pooling=pooling, ngram_buckets=64)
    module = assert_same_probabilities(network)
    back = from_torch(module.state_dict(), WORDS, labels=LABELS)
    assert isinstance(back, SentimentClassifier)
    assert back.network_.config.pooling == pooling
    np.testing.assert_array_equal(back.predict_proba(TEXTS), network.predict_proba(TEXTS))


def test_a_long_text_is_cut_where_it_was():
    network = classifier(max_length=7)
    back = from_torch(to_torch(network), WORDS, labels=LABELS, pooling=network.config.pooling)
    assert back.network_.config.max_length == 7
    long = [" ".join(TEXTS)]
    np.testing.assert_array_equal(back.predict_proba(long), network.predict_proba(long))


@pytest.mark.parametrize("labels", [LABELS, ("bad", "good")])
def test_a_linear_model_beside_the_network_comes_back(labels):
    network = with_linear(classifier(labels))
    module = assert_same_probabilities(network)
    back = from_torch(module, WORDS, labels=labels, pooling="mean+max")
    np.testing.assert_array_equal(back.predict_proba(TEXTS), network.predict_proba(TEXTS))
    with pytest.raises(ValueError, match="also reads characters: call it with what `torch_inputs` gives"):
        module(torch.zeros(1, 3, dtype=torch.long))


def test_random_texts_have_the_same_ngrams():
    rng = np.random.default_rng(0)
    words = [*WORDS.words, "Ünknown", "  ", "\n", "😀", "日本語"]
    texts = [" ".join(rng.choice(words, size=rng.integers(60))) for _ in range(200)]
    assert_same_probabilities(with_linear(classifier(ngram_buckets=1000)), texts)


def test_packed_sequences():
    network = classifier(cell="gru")
    module, documents = to_torch(network), network.encode(TEXTS)
    ids = [torch.from_numpy(document.astype(np.int64)) for document in documents]
    packed = torch.nn.utils.rnn.pack_sequence(ids, enforce_sorted=False)
    logits = module(packed).detach().numpy()
    np.testing.assert_allclose(logits, network.logits(documents) / network.temperature, atol=1e-6)
    one = module(ids[0][None]).detach().numpy()  # without lengths
    np.testing.assert_allclose(one, logits[:1], atol=1e-6)


def test_an_ensemble():
    assert_same_probabilities(Ensemble([classifier(seed=1), with_linear(classifier(seed=2))], np.array([0.5, 1.5])))


def test_a_module_of_float32_for_devices_without_float64():
    network = with_linear(classifier(ngram_buckets=64))
    module = to_torch(network).float()
    assert not any(value.dtype == torch.float64 for value in module.state_dict().values())
    with torch.no_grad():
        found = module(**torch_inputs(network, TEXTS)).softmax(dim=1).numpy()
    np.testing.assert_allclose(found, network.predict_proba(TEXTS), atol=1e-5)
    back = from_torch(module, WORDS, labels=LABELS)
    np.testing.assert_allclose(back.predict_proba(TEXTS), network.predict_proba(TEXTS), atol=1e-5)


def test_a_module_learns():
    network = with_linear(classifier(ngram_buckets=64))
    module = to_torch(network).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    target = torch.tensor([2, 0, 1, 0, 1])
    torch.manual_seed(0)
    losses = []
    for _ in range(5):
        loss = torch.nn.functional.cross_entropy(module(**torch_inputs(network, TEXTS)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    back = from_torch(module.state_dict(), WORDS, labels=LABELS, pooling="mean+max")
    with torch.no_grad():
        expected = module.eval()(**torch_inputs(network, TEXTS)).softmax(dim=1).numpy()
    np.testing.assert_allclose(back.predict_proba(TEXTS), expected, atol=1e-6)


def language_model(dtype=np.float32, **options):
    rng = np.random.default_rng(0)
    config = CharLMConfig(vocab_size=27, hidden_size=H, dropout=0.3, **{"embedding_size": 5, **options})
    network = CharLMNetwork(config, CharTokenizer("abcdefghijklmnopqrstuvwxyz"), rng=rng, dtype=dtype)
    randomize(network.parameters(), rng, scale=0.5)
    return network


@pytest.mark.parametrize("make", [classifier, language_model])
def test_a_module_has_the_dropout_of_the_model(make):
    module = to_torch(make(cell="lstm", num_layers=2))
    assert (module.dropout.p, module.recurrent.dropout) == (0.3, 0.3)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_a_character_model_carries_its_state(cell, num_layers):
    network = language_model(cell=cell, num_layers=num_layers)
    module, B, T = to_torch(network), 3, 4
    state, their_state = network.zero_state(B), None
    for seed in range(3):
        ids = np.random.default_rng(seed).integers(27, size=(B, T))
        logits, state, _ = network.forward(ids.T.ravel(), np.full(T, B), state)
        with torch.no_grad():
            theirs, their_state = module(torch.from_numpy(ids), their_state)
        expected = logits.reshape(T, B, -1).transpose(1, 0, 2)
        np.testing.assert_allclose(theirs.numpy(), expected, rtol=1e-5, atol=1e-6)
    ends = their_state if isinstance(their_state, tuple) else (their_state,)
    for end, own in zip(ends, state, strict=True):
        np.testing.assert_allclose(end.numpy(), own, rtol=1e-5, atol=1e-6)


def test_a_character_model_comes_back_and_generates(tmp_path):
    model = CharLM().with_network(language_model(embedding_size=H, tied_weights=True))
    module = to_torch(model)
    assert module.head.weight is module.embedding.weight
    back = from_torch(module, model.network_.tokenizer)
    assert back.network_.config.tied_weights
    expected = model.generate("abc", length=50, seed=1)
    assert back.generate("abc", length=50, seed=1) == expected
    back.save_pretrained(tmp_path / "model")
    assert CharLM.from_pretrained(tmp_path / "model").generate("abc", length=50, seed=1) == expected
    assert torch_inputs(model, ["ab", "xy"])["ids"].tolist() == [[1, 2], [24, 25]]


def test_float64_stays_float64():
    network = language_model(np.float64)
    ids = np.arange(5)
    logits, _, _ = network.forward(ids, np.ones(5, int), network.zero_state(1))
    with torch.no_grad():
        theirs, _ = to_torch(network)(torch.from_numpy(ids)[None])
    np.testing.assert_allclose(theirs[0].numpy(), logits, rtol=1e-12)


# ----------------------------------------------------------------------------------- models as tutorials write them


class CharRNN(torch.nn.Module):
    """A character model: encoder, recurrent layers, decoder; or one-hot vectors in place of the encoder."""

    def __init__(self, kind, *, one_hot=False, layers=2):
        super().__init__()
        self.one_hot = one_hot
        if not one_hot:
            self.encoder = torch.nn.Embedding(V, H)
        self.rnn = kind(V if one_hot else H, H, layers, batch_first=True, dropout=0.1)
        self.drop = torch.nn.Dropout(0.1)
        self.decoder = torch.nn.Linear(H, V)

    def forward(self, ids, state=None):
        x = torch.nn.functional.one_hot(ids, V).float() if self.one_hot else self.encoder(ids)
        y, state = self.rnn(x, state)
        return self.decoder(self.drop(y)), state


class WordClassifier(torch.nn.Module):
    """A classifier of words: the final states of both directions, one sigmoid or a softmax."""

    def __init__(self, vocab_size, outputs, *, bidirectional=True):
        super().__init__()
        self.embedding = torch.nn.Embedding(vocab_size, 5, padding_idx=1)
        self.lstm = torch.nn.LSTM(5, H, num_layers=2, bidirectional=bidirectional, batch_first=True)
        self.fc = torch.nn.Linear(2 * H if bidirectional else H, outputs)

    def forward(self, ids):
        _, (hidden, _) = self.lstm(self.embedding(ids))
        ends = [hidden[-2], hidden[-1]] if self.lstm.bidirectional else [hidden[-1]]
        return self.fc(torch.cat(ends, dim=1))


def their_log_probabilities(module, ids):
    with torch.no_grad():
        logits, _ = module.eval()(torch.tensor(ids)[None])
    return logits[0].log_softmax(dim=1).numpy()


def own_log_probabilities(model, text):
    network = model.network_
    ids = network.tokenizer.encode(text)
    logits, _, _ = network.forward(ids, np.ones(len(ids), int), network.zero_state(1))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN])
def test_char_rnn_loads(kind, one_hot):
    torch.manual_seed(0)
    module, characters = CharRNN(kind, one_hot=one_hot), "zyxw \nabcAB"
    model = from_torch(module.state_dict(), characters)
    assert isinstance(model, CharLM)
    assert model.network_.tokenizer.characters == characters
    text = "abc zy\nAB"
    expected = their_log_probabilities(module, [characters.index(c) for c in text])
    own = own_log_probabilities(model, text)
    np.testing.assert_allclose(own[:, 1:], expected, atol=1e-6)
    assert (own[:, 0] < -25).all()  # the unknown character, which the vocabulary lacks
    table = model.network_.embedding.weight.value
    np.testing.assert_allclose(table[0], np.zeros(V) if one_hot else table[1:].mean(axis=0), atol=1e-6)
    assert len(model.generate("abc", length=9, seed=0)) == 9


def test_word_language_model_loads(tmp_path):
    torch.manual_seed(0)
    words = ["the", "<unk>", "<eos>", "Cat", "sat", "on", "a", "mat", ".", ",", "café"]
    module = CharRNN(torch.nn.LSTM)
    torch.save(
        {"loss": torch.tensor(0.3), "model_state_dict": {f"module.{n}": v for n, v in module.state_dict().items()}},
        tmp_path / "m.pt",
    )
    model = from_torch(tmp_path / "m.pt", {word: i for i, word in enumerate(words)})
    tokenizer = model.network_.tokenizer
    assert (tokenizer.kind, tokenizer.words) == ("word", [w for w in words if w != "<unk>"])
    text = "the Cat sat on a table ."
    ids = [words.index(w) if w in words else 1 for w in text.split()]
    order = [1, *(words.index(w) for w in tokenizer.words)]
    np.testing.assert_allclose(
        own_log_probabilities(model, text), their_log_probabilities(module, ids)[:, order], atol=1e-6
    )
    model.save_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(
        own_log_probabilities(CharLM.from_pretrained(tmp_path / "model"), text), own_log_probabilities(model, text)
    )


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("outputs", [1, 3])
def test_word_classifier_loads(outputs, bidirectional, tmp_path):
    torch.manual_seed(0)
    words = ["<unk>", "<pad>", *WORDS.words]
    module = WordClassifier(len(words), outputs, bidirectional=bidirectional)
    labels = [0, 1] if outputs == 1 else ["bad", "fair", "good"]
    model = from_torch(module, words, labels=labels)
    texts = [text for text in TEXTS if text]
    found = model.predict_proba(texts)
    for text, p in zip(texts, found, strict=True):
        ids = [words.index(w) if w in words else 0 for w in text.split()]
        with torch.no_grad():
            z = module(torch.tensor(ids)[None])[0]
        expected = [1 - z.sigmoid().item(), z.sigmoid().item()] if outputs == 1 else z.softmax(dim=0).numpy()
        np.testing.assert_allclose(p, expected, atol=1e-6)
    assert model.classes_.tolist() == labels
    model.save_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(SentimentClassifier.from_pretrained(tmp_path / "model").predict_proba(texts), found)


def test_a_relu_without_biases_and_a_cell_by_itself():
    torch.manual_seed(0)
    rnn = torch.nn.RNN(4, H, nonlinearity="relu", bias=False, batch_first=True)
    embedding, head = torch.nn.Embedding(V, 4), torch.nn.Linear(H, V, bias=False)
    state = {f"rnn.{n}": v for n, v in rnn.state_dict().items()}
    state |= {"emb.weight": embedding.weight, "out.weight": head.weight}
    model = from_torch(state, "abcdefghijk", nonlinearity="relu")
    assert model.network_.config.cell == "elman_relu"
    module = torch.nn.ModuleDict({"rnn": rnn, "emb": embedding, "out": head})  # which tells the nonlinearity itself
    assert from_torch(module, "abcdefghijk").network_.config.cell == "elman_relu"
    with torch.no_grad():
        expected = head(rnn(embedding(torch.tensor([[2, 0, 1]])))[0])[0].log_softmax(dim=1).numpy()
    np.testing.assert_allclose(own_log_probabilities(model, "cab")[:, 1:], expected, atol=1e-6)
    cell = {f"gru.{n}": v for n, v in torch.nn.GRUCell(4, H).state_dict().items()}
    cell |= {"emb.weight": embedding.weight, "out.weight": head.weight}
    assert from_torch(cell, "abcdefghijk").network_.config.cell == "gru"


def changed(**changes):
    state = dict(CharRNN(torch.nn.LSTM).state_dict())
    for name, value in changes.items():
        name = name.replace("__", ".")
        if value is None:
            del state[name]
        else:
            state[name] = value
    return state


CHARACTERS = "abcdefghijk"
MISTAKES = {
    "nonlinearity is 'gelu'; it must be one of tanh, relu": (lambda: changed(), CHARACTERS, {"nonlinearity": "gelu"}),
    "pooling is 'first'; it must be one of last, mean": (lambda: changed(), CHARACTERS, {"pooling": "first"}),
    "the vocabulary has 3 entries and the embedding 11 rows; give all": (lambda: changed(), "abc", {}),
    "the weights are not a state dict; give model.state_dict()": (lambda: {"epoch": 3}, CHARACTERS, {}),
    "the state dict has the matrices encoder.weight, decoder.weight, fc2.weight beside": (
        lambda: changed(fc2__weight=torch.zeros(3, 3), fc2__bias=torch.zeros(3)),
        CHARACTERS,
        {},
    ),
    "the state dict also has norm.weight; only an embedding, recurrent": (
        lambda: changed(norm__weight=torch.zeros(3)),
        CHARACTERS,
        {},
    ),
    "encoder.weight (11, 6) and decoder.weight (11, 7) do not fit recurrent layers of 6 inputs and 1 times 6": (
        lambda: changed(decoder__weight=torch.zeros(V, H + 1)),
        CHARACTERS,
        {},
    ),
    "the recurrent layers are none; there must be one nn.LSTM": (
        lambda: {"fc.weight": torch.zeros(3, 3), "fc.bias": torch.zeros(3)},
        CHARACTERS,
        {},
    ),
    "the LSTM has projections (proj_size); train one without": (
        lambda: changed(rnn__weight_hr_l0=torch.zeros(3, 3)),
        CHARACTERS,
        {},
    ),
    "the recurrent layers have 7 arrays, which are not all those of": (
        lambda: changed(rnn__weight_hh_l1=None),
        CHARACTERS,
        {},
    ),
    "the recurrent layers read in both directions, as no language model can; give labels": (
        lambda: WordClassifier(V, V),
        CHARACTERS,
        {},
    ),
    "the linear layer has 3 outputs and the vocabulary 11 entries; give labels if": (
        lambda: WordClassifier(V, 3, bidirectional=False),
        CHARACTERS,
        {},
    ),
    "there are 2 labels for 3 classes; give one for each": (
        lambda: WordClassifier(V, 3),
        CHARACTERS,
        {"labels": ["a", "b"]},
    ),
    "the linear layer has 12 inputs, and pooling mean+max gives 24; give the pooling of the model": (
        lambda: WordClassifier(V, 3),
        CHARACTERS,
        {"labels": LABELS, "pooling": "mean+max"},
    ),
    "the state dict lacks pool.query, which such a model has; give all of model.state_dict(), and the pooling": (
        lambda: WordClassifier(V, 3),
        CHARACTERS,
        {"labels": LABELS, "pooling": "attention"},
    ),
    "the state dict lacks ngrams.log_count_ratio, which such a model has": (
        lambda: dict(to_torch(classifier(pooling="last", ngram_buckets=9)).named_parameters()),
        WORDS,
        {"labels": LABELS},
    ),
    "ngrams.weight has the shape (9, 2), which does not fit": (
        lambda: {**WordClassifier(V, 3).state_dict(), "ngrams.weight": torch.zeros(9, 2)},
        CHARACTERS,
        {"labels": LABELS},
    ),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_what_cannot_be_taken_over_is_named(message):
    make, vocabulary, options = MISTAKES[message]
    with pytest.raises(UserError) as raised:
        from_torch(make(), vocabulary, **options)
    assert message in str(raised.value)


def test_a_file_with_code_is_not_run(tmp_path):
    torch.save(CharRNN(torch.nn.GRU), tmp_path / "whole.pt")
    with pytest.raises(UserError, match="is not a file of weights that can be read safely"):
        from_torch(tmp_path / "whole.pt", CHARACTERS)
    with pytest.raises(UserError, match="is not a file of weights that can be read safely"):
        from_torch(tmp_path / "none.pt", CHARACTERS)


def test_models_and_texts_of_other_kinds_are_named(monkeypatch):
    network = WordLMNetwork(WordLMConfig(vocab_size=3), rng=np.random.default_rng(0))
    with pytest.raises(UserError, match="the model is a WordLMNetwork; give a classifier or a character"):
        to_torch(network)
    with pytest.raises(UserError, match="texts is empty; give at least one text"):
        torch_inputs(classifier(), [])
    with pytest.raises(UserError, match=r"texts\[1\] is missing; leave it out, or give a text"):
        torch_inputs(classifier(), ["good", None, "bad"])
    with pytest.raises(UserError, match="have different lengths, or none; give one text at a time"):
        torch_inputs(language_model(), ["a", "ab"])


def test_a_cell_that_torch_cannot_compute_is_refused(monkeypatch):
    def step(pre, state, W_h, extra):
        return (np.arctan(pre + state[0] @ W_h.T),), ()

    monkeypatch.setitem(CELLS, "odd", Cell("odd", gates=("h",), step=step, step_backward=step))
    with pytest.raises(UserError, match=r"the step of the cell odd has no counterpart in PyTorch \(numpy.arctan\)"):
        to_torch(classifier(cell="odd"))


@pytest.mark.parametrize("cell", CELLS)
def test_each_cell_comes_back_as_itself(cell):
    network = classifier(cell=cell, bidirectional=True, num_layers=2)
    back = from_torch(to_torch(network).state_dict(), WORDS, labels=LABELS)
    assert back.network_.config.cell == cell
    np.testing.assert_array_equal(back.predict_proba(TEXTS), network.predict_proba(TEXTS))
    model = CharLM().with_network(language_model(cell=cell))
    back = from_torch(to_torch(model).state_dict(), model.network_.tokenizer)
    assert back.network_.config.cell == cell
    np.testing.assert_array_equal(own_log_probabilities(back, "abcab"), own_log_probabilities(model, "abcab"))


def test_a_state_dict_with_the_name_of_a_cell_that_it_is_not():
    state = to_torch(classifier(cell="gru_reset_first")).state_dict()
    state["recurrent.lstm_rms_norm"] = state.pop("recurrent.gru_reset_first")
    with pytest.raises(UserError, match="which are not all those of one"):
        from_torch(state, WORDS, labels=LABELS, pooling="mean+max")


def test_without_torch_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for call in (lambda: to_torch(None), lambda: torch_inputs(None, []), lambda: from_torch({}, "ab")):
        with pytest.raises(UserError, match="is not installed; install it with: pip install torch"):
            call()
