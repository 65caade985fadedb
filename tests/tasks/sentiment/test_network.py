"""The classifier: its loss to every parameter, for every cell and every pooling."""

import numpy as np
import pytest

from rnnnlp.batches.documents import DocumentBatch, batch_of
from rnnnlp.batches.packed import batch_sizes_of, unpack
from rnnnlp.kernels import CELLS
from rnnnlp.layers.loss import softmax, softmax_cross_entropy
from rnnnlp.layers.pooling import POOLINGS
from rnnnlp.tasks.sentiment import network as network_module
from rnnnlp.tasks.sentiment.adversarial import adversarial_gradients, vat_gradients
from rnnnlp.tasks.sentiment.config import SentimentConfig
from rnnnlp.tasks.sentiment.network import Projection, SentimentNetwork
from rnnnlp.text import WordTokenizer
from tests.gradients import check_gradients, pairs, randomize
from tests.recurrences import RAGGED

V, K = 6, 3
cells = pytest.mark.parametrize("cell", CELLS)
poolings = pytest.mark.parametrize("pooling", POOLINGS)


def make(cell="lstm", *, pooling="mean+max", dropout=0.0, dtype=np.float64, **settings):
    config = SentimentConfig(
        vocab_size=V,
        labels=("bad", "fair", "good"),
        cell=cell,
        embedding_size=2,
        hidden_size=3,
        pooling=pooling,
        dropout=dropout,
        **settings,
    )
    model = SentimentNetwork(config, rng=np.random.default_rng(0), dtype=dtype)
    randomize(model.parameters(), np.random.default_rng(1))
    return model


def documents(lengths, seed=0):
    rng = np.random.default_rng(seed)
    B = len(lengths)
    ids, labels = rng.integers(V, size=sum(lengths)), rng.integers(K, size=B)
    return DocumentBatch(ids, batch_sizes_of(np.array(lengths)), labels, np.arange(B))


def check_model(model, batch, *, zero=(), **options):
    """The gradient of the mean loss with respect to every entry of every parameter."""

    def loss():
        logits, _ = model.forward(batch.ids, batch.batch_sizes, rng=np.random.default_rng(3))
        loss_sum, count, _ = softmax_cross_entropy(logits, batch.labels, **options)
        return loss_sum / count

    model.zero_grad()
    found = model.gradients(batch, rng=np.random.default_rng(3), **options)
    assert found.loss_sum / found.count == loss()
    gradients = pairs(model.parameters())
    check_gradients(loss, gradients, zero=zero)


@poolings
@pytest.mark.parametrize("T", RAGGED)
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "both-ways"])
def test_gradient_of_the_loss_for_every_pooling(pooling, bidirectional, T):
    # Over a single step attention has nothing to choose from, and from zero states W_h has nothing to carry.
    zero = ["pool.query"] if T == 1 and pooling == "attention" else []
    model = make("gru", pooling=pooling, bidirectional=bidirectional)
    if T == 1:
        zero += [name for name in model.parameters() if name.endswith("W_h")]
    check_model(model, documents(RAGGED[T]), zero=zero)


@cells
def test_gradient_of_the_loss_for_every_cell(cell):
    check_model(make(cell), documents(RAGGED[5]), label_smoothing=0.1)


@pytest.mark.parametrize("batch_count", [None, 7], ids=["whole", "part"])
def test_gradient_of_the_loss_with_sample_weights(batch_count):
    """The documents' losses, each times its weight, are divided by the number of documents of the whole batch."""
    model, batch = make(dropout=0.3), documents(RAGGED[5])
    sample_weights = np.array([2.0, 0.0, 0.5, 1.25])

    def loss():
        logits, _ = model.forward(batch.ids, batch.batch_sizes, rng=np.random.default_rng(3))
        total = 0.0
        for b, weight in enumerate(sample_weights):
            row = slice(b, b + 1)
            total += weight * softmax_cross_entropy(logits[row], batch.labels[row], label_smoothing=0.1)[0]
        return total / (batch_count or 4)

    rng = np.random.default_rng(3)
    found = model.gradients(batch, rng=rng, label_smoothing=0.1, sample_weights=sample_weights, batch_count=batch_count)
    assert found.count == 4
    assert found.loss_sum / (batch_count or 4) == pytest.approx(loss(), rel=1e-12)
    check_gradients(loss, pairs(model.parameters()))


@cells
@pytest.mark.parametrize("variational", [False, True])
def test_gradient_of_the_loss_with_layers_and_dropout(cell, variational):
    model = make(cell, pooling="attention", num_layers=2, dropout=0.3, variational=variational)
    check_model(model, documents([3, 2, 2]))


@pytest.mark.parametrize("variational", [False, True])
def test_every_layer_drops_what_the_configuration_says(variational):
    model = make(num_layers=2, dropout=0.3, variational=variational)
    assert [layer.p for layer in (model.embedding_dropout, model.recurrent.dropout, model.dropout)] == [0.3] * 3
    assert model.recurrent.dropout.variational is variational


def test_gradient_of_the_loss_with_ngram_features():
    model, batch = make(ngram_buckets=30, dropout=0.3), documents([4, 3, 1])
    model.fit_ngrams(unpack(batch.ids, batch.batch_sizes), batch.labels)
    check_model(model, batch)
    tensors = [p.value for p in model.parameters().values()] + [model.ngrams.log_count_ratio]
    assert model.config.num_parameters == sum(tensor.size for tensor in tensors)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_gradient_of_the_adversarial_loss(dropout):
    """The loss plus the loss under the perturbation, which counts as a constant."""
    model, batch, size = make(dropout=dropout), documents([4, 3, 1]), 0.7
    V_D = model.embedding.weight.value

    def loss(perturbation=0.0):
        rng, total = np.random.default_rng(3), 0.0
        for step in (0.0, perturbation):
            V_D[...] += step
            logits, _ = model.forward(batch.ids, batch.batch_sizes, rng=rng)
            V_D[...] -= step
            loss_sum, count, _ = softmax_cross_entropy(logits, batch.labels)
            total += loss_sum / count
        return total

    model.gradients(batch, rng=np.random.default_rng(3))
    first = model.embedding.weight.grad.copy()  # (V, D)
    seen = np.unique(batch.ids)
    perturbation = size * np.sqrt((V_D[seen] ** 2).sum()) * first / np.sqrt((first**2).sum())
    model.zero_grad()
    before = V_D.copy()
    adversarial_gradients(model, batch, size, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(V_D, before)
    check_gradients(lambda: loss(perturbation), pairs(model.parameters()))
    if dropout == 0:
        assert loss(perturbation) > loss()


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("buckets", [0, 16], ids=["alone", "n-grams"])
def test_gradient_of_the_virtual_adversarial_loss(buckets, dropout, monkeypatch):
    """Of the divergence under a perturbation; that and the probabilities without it count as constants."""
    model, batch, size = make(dropout=dropout, ngram_buckets=buckets), documents([4, 3, 1]), 0.5
    if buckets:
        ratio = model.ngrams.log_count_ratio
        ratio[...] = np.random.default_rng(4).normal(size=ratio.shape) / 10  # or all is certain
    weight = model.embedding.weight.value  # (V, D)
    before, perturbations = weight.copy(), []
    perturbed = model.embedding.perturbed

    def noted(rows, step):
        perturbations.append(np.zeros_like(weight))
        perturbations[-1][rows] = step
        return perturbed(rows, step)

    monkeypatch.setattr(model.embedding, "perturbed", noted)
    p = softmax(model.forward(batch.ids, batch.batch_sizes)[0])
    change = vat_gradients(model, batch, size, rng=np.random.default_rng(3))
    np.testing.assert_array_equal(weight, before)
    probe, final = perturbations

    def loss(step, **options):
        weight[...] += step
        q = softmax(model.forward(batch.ids, batch.batch_sizes, **options)[0])
        weight[...] -= step
        return np.mean(np.sum(p * np.log(p / q), axis=1))

    def dropped():  # as there: its mask is drawn after the direction of the probe
        rng = np.random.default_rng(3)
        rng.standard_normal((len(np.unique(batch.ids)), weight.shape[1]))
        return rng

    assert change == pytest.approx(loss(final, rng=dropped()), rel=1e-9)
    check_gradients(lambda: loss(final, rng=dropped()), pairs(model.parameters()))
    length = np.sqrt((weight[np.unique(batch.ids)] ** 2).sum())
    assert np.sqrt((final**2).sum()) == pytest.approx(size * length)
    # It is along the gradient of the divergence at the probe, and changes more than the direction of the probe does.
    gradient = np.zeros_like(weight)
    for place in np.ndindex(weight.shape):
        up, down = probe.copy(), probe.copy()
        up[place] += 1e-6
        down[place] -= 1e-6
        gradient[place] = loss(up) - loss(down)
    np.testing.assert_allclose(final / np.linalg.norm(final), gradient / np.linalg.norm(gradient), atol=1e-4)
    assert loss(final) > loss(probe * np.linalg.norm(final) / np.linalg.norm(probe))


@poolings
def test_a_document_gives_the_same_logits_alone_and_in_a_batch(pooling):
    model = make(pooling=pooling, num_layers=2)
    rng = np.random.default_rng(0)
    texts = [rng.integers(V, size=length) for length in (3, 7, 1, 5, 3)]
    together = model.logits(texts)
    for text, expected in zip(texts, together, strict=True):
        np.testing.assert_allclose(model.logits([text])[0], expected, rtol=1e-12)
    np.testing.assert_allclose(model.logits(texts, batch_size=2), together, rtol=1e-12)


def test_logits_follow_the_order_of_the_documents():
    model = make()
    texts = [np.array([0]), np.array([1, 2, 3]), np.array([4, 5])]
    batch = batch_of(texts, np.zeros(3, np.int64), np.arange(3))
    logits, _ = model.forward(batch.ids, batch.batch_sizes)
    np.testing.assert_allclose(model.logits(texts)[batch.indices], logits, rtol=1e-12)


def test_truncation_changes_gradients_and_not_the_loss():
    model, batch = make(), documents(RAGGED[5])
    whole = model.gradients(batch)
    expected = {name: p.grad.copy() for name, p in model.parameters().items()}
    for bptt, same in ((2, False), (5, True)):
        model.zero_grad()
        found = model.gradients(batch, bptt=bptt)
        assert (found.loss_sum, found.count) == pytest.approx((whole.loss_sum, whole.count), rel=1e-12)
        assert np.allclose(model.head.weight.grad, expected["head.weight"], rtol=1e-10)
        W_h = "recurrent.0.reverse.W_h"
        assert np.allclose(model.parameters()[W_h].grad, expected[W_h], rtol=1e-10) is same


def test_gradients_add_up_to_those_of_the_mean():
    model, batch = make(), documents(RAGGED[5])
    logits, tape = model.forward(batch.ids, batch.batch_sizes)
    loss_sum, count, dlogits = softmax_cross_entropy(logits, batch.labels)
    found = model.gradients(batch)
    assert (found.loss_sum, found.count) == (loss_sum, count)
    mean = {name: p.grad.copy() for name, p in model.parameters().items()}
    model.zero_grad()
    model.backward(dlogits, tape)
    for name, p in model.parameters().items():
        np.testing.assert_allclose(p.grad, count * mean[name], rtol=1e-10, atol=1e-15)


@cells
def test_float32_stays_float32(cell):
    model = make(cell, pooling="attention", dropout=0.2, dtype=np.float32)
    options = {"sample_weights": np.full(4, 2.0), "label_smoothing": 0.1}
    model.gradients(documents(RAGGED[5]), rng=np.random.default_rng(0), **options)
    arrays = [model.logits([np.array([1, 2])]), *(p.grad for p in model.parameters().values())]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", [{}, {"num_layers": 2}, {"bidirectional": False, "cell": "gru"}], ids=str)
def test_many_texts_have_the_same_logits_as_few(settings, dtype, monkeypatch):
    """Where the whole vocabulary is projected once, the logits are those of each batch with its own words."""
    model = make(dtype=dtype, **settings)
    rng = np.random.default_rng(0)
    texts = [rng.integers(V, size=length).astype(np.int32) for length in rng.integers(1, 9, size=40)]
    monkeypatch.setattr(network_module, "PROJECT_ALL", 1)
    together = model.logits(texts, batch_size=16)
    monkeypatch.setattr(network_module, "PROJECT_ALL", 10**6)
    np.testing.assert_allclose(model.logits(texts, batch_size=16), together, rtol=1e-5)


def test_batches_that_share_a_projection_make_it_once(monkeypatch):
    model = make()
    batches = [[np.array([i, i + 1]), np.array([i + 1, 0, 2])] for i in range(3)]
    expected = [model.logits(batch) for batch in batches]
    sizes, project = [], model.recurrent.project
    monkeypatch.setattr(model.recurrent, "project", lambda x: sizes.append(len(x)) or project(x))
    monkeypatch.setattr(network_module, "PROJECT_ALL", 10 / V)  # two batches have so many tokens
    projection = Projection(model)
    for batch, logits in zip(batches, expected, strict=True):
        np.testing.assert_allclose(model.logits(batch, projection=projection), logits, rtol=1e-5)
    assert sizes == [V]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_projection_that_would_take_too_much_memory_is_not_made(bidirectional, monkeypatch):
    model, texts = make(bidirectional=bidirectional), [np.array([1, 2, 0])] * 10
    expected = model.logits(texts)
    size = sum(table.nbytes for table in model.recurrent.project(model.embedding.weight.value))
    sizes, project = [], model.recurrent.project
    monkeypatch.setattr(model.recurrent, "project", lambda x: sizes.append(len(x)) or project(x))
    monkeypatch.setattr(network_module, "PROJECT_ALL", 1)
    for most, projected in ((size - 1, []), (size, [V])):
        monkeypatch.setattr(network_module, "MOST_PROJECTED", most)
        np.testing.assert_allclose(model.logits(texts), expected, rtol=1e-5)
        assert sizes == projected


def test_an_empty_text_has_no_unknown_words():
    texts = ["good", "awful", " ", "good awful"]
    tokenizer = WordTokenizer.train(["good good"])
    config = SentimentConfig(vocab_size=tokenizer.vocab_size, labels=("bad", "good"), embedding_size=2, hidden_size=3)
    model = SentimentNetwork(config, tokenizer, rng=np.random.default_rng(0))
    assert model.unknown_words(texts, model.encode(texts)).tolist() == [0, 1, 0, 0.5]
