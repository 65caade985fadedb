"""How a classifier is trained where the user does not say: chosen from the texts and the time, and said in one line.

Four facts decide: how many texts there are, how long they are, how many words a second the machine reads in training
(measured), and so how often it could read each text. The experiments behind the rules are in docs/results.md.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnnlp.batches.documents import DocumentBatch
from rnnnlp.batches.draws import WEIGHTS, generator
from rnnnlp.models.config import SentimentConfig
from rnnnlp.models.sentiment import SentimentClassifier
from rnnnlp.text import LabelledData, Tokenizer, has_spaces, train_tokenizer
from rnnnlp.training.config import CHOSEN_FOR_CLASSIFIERS, PRETRAINED_DROPOUT, SentimentTraining
from rnnnlp.training.pretraining import MOST_OF_BUDGET, language_model_config, own_config, pretraining_task
from rnnnlp.training.recipes import evaluations_of, shortest

MEASURED_TEXTS = 1000
CROP = 400  # tokens: a stretch that mostly says as much as the whole review, to who has yet to learn to read
ROWS_FOR_VOTES = range(17, 23)  # powers of two
MOST_VOTES = 2**23  # rows times classes: each takes 24 bytes in training
LENGTH_FOR_VOTES, TOKENS_FOR_VOTES = 30, 1e5  # of short or few texts votes are only learnt by heart
LENGTH_BESIDE_LANGUAGE = 100  # who knows the language is better without votes up to there
LABEL_SMOOTHING = 0.05  # where nothing votes: votes are held back by the log-count ratios
ADVERSARIAL = 0.03  # of the length of the words' vectors
ADVERSARIAL_WORK = 2.0  # two forwards and two backwards
LEAST_EPOCHS, MOST_EPOCHS = 3, 20
LENGTH_FOR_LANGUAGE, TOKENS_FOR_LANGUAGE = 15, 1e5  # phrases and few texts teach no language
FEWEST_OF_LANGUAGE, MOST_OF_LANGUAGE = 3, 4  # epochs: of few texts more are learnt by heart
VOCABULARY = {"word": 30_000, "bpe": 20_000}
ENOUGH = 0.7  # of a budget: the updates are not in the measurement, and machines are shared
FROM_LANGUAGE = {"hidden_size": 256, "embedding_size": 256, "dropout": PRETRAINED_DROPOUT}

log = logging.getLogger(__name__)


def choose(
    training: SentimentTraining, given: Mapping[str, Any], data: LabelledData, tokenizer: Tokenizer
) -> tuple[SentimentTraining, SentimentConfig]:
    """Decides what `training` (where it has None) and the options `given` for the model leave open, and says so."""
    model = SentimentConfig(vocab_size=tokenizer.vocab_size, labels=data.label_names, **given)
    starts_from_language = bool(training.pretraining or training.from_)
    texts, crop = len(data.splits["train"]), training.crop or (model.max_length if starts_from_language else CROP)
    training = training.changed(crop=crop, batch_size=training.batch_size or batch_size(texts))
    lengths = np.minimum(some_lengths(data.splits["train"].texts, tokenizer), model.max_length)
    mean = float(lengths.mean())
    long = LENGTH_BESIDE_LANGUAGE if starts_from_language else LENGTH_FOR_VOTES
    if "votes" not in given and mean >= long and texts * mean >= TOKENS_FOR_VOTES:
        model = model.changed(votes=rows_for_votes(texts * mean, len(data.label_names)))
    if training.label_smoothing is None:
        training = training.changed(label_smoothing=0.0 if model.votes else LABEL_SMOOTHING)
    cropped = float(np.minimum(lengths, crop).mean())  # tokens a text
    epochs = epochs_read(training, model, texts, cropped)
    work = 1.0 if training.budget is None else ADVERSARIAL_WORK  # that a run with a budget pays for with epochs
    most = training.max_epochs or most_epochs(texts * cropped)
    if training.budget is not None:
        training = training.changed(max_epochs=most)
    if training.adversarial is None:
        enough = epochs >= work * most
        training = training.changed(adversarial=ADVERSARIAL if enough and not model.votes else 0.0)
    epochs /= work if training.adversarial else 1
    epochs = min(epochs, training.max_epochs or math.inf)
    validation_tokens = int(len(data.splits["validation"]) * mean)
    training = training.changed(
        evaluations=training.evaluations or evaluations_of(epochs * texts * cropped, validation_tokens)
    )
    chosen = {name: getattr(training, name, getattr(model, name, None)) for name in CHOSEN_FOR_CLASSIFIERS}
    log.info(
        "about %.3g epochs of %d texts of some %.0f tokens, so (where no option says otherwise): %s",
        epochs,
        texts,
        mean,
        ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in chosen.items() if value is not None),
    )
    return training, model


def may_pretrain(training: SentimentTraining) -> bool:
    """Whether the language of the texts may be learned first: where that is said, or there is a budget."""
    if training.pretraining is None:
        return training.from_ is None and training.budget is not None
    return training.pretraining > 0


def choose_pretraining(
    training: SentimentTraining, given: Mapping[str, Any], data: LabelledData
) -> tuple[SentimentTraining, dict[str, Any], Tokenizer]:
    """Decides whether the language of the texts is learned first, what with, and of what tokens.

    It is if the time is enough, by a margin, for enough epochs of it and all of the classifier. Pieces of words then
    say more than the single characters of a text without spaces.
    """
    texts = data.splits["train"].texts

    def tokenized(kind: str) -> tuple[SentimentTraining, Tokenizer]:
        of_kind = training.changed(tokenizer=kind, vocab_size=training.vocab_size or VOCABULARY.get(kind))
        return of_kind, train_tokenizer(kind, texts, **of_kind.vocabulary_options)

    kind = alone = training.tokenizer or "word"
    if training.tokenizer is None and may_pretrain(training) and not has_spaces(some(texts)):
        kind = "bpe"
    chosen, tokenizer = tokenized(kind)
    if may_pretrain(training):
        options = {**FROM_LANGUAGE, **given}
        if chosen.pretraining is None:
            chosen = chosen.changed(pretraining=epochs_of_language(chosen, options, data, tokenizer))
        if chosen.pretraining:
            return chosen, options, tokenizer
        if kind != alone:
            chosen, tokenizer = tokenized(alone)
    return chosen.changed(pretraining=0), dict(given), tokenizer


def epochs_of_language(
    training: SentimentTraining, options: Mapping[str, Any], data: LabelledData, tokenizer: Tokenizer
) -> int:
    """How often all texts are read to learn their language: not at all where they, or the time, are not enough."""
    assert training.budget is not None
    texts = data.splits["train"].texts
    parts = [part for part in (texts, data.unlabelled) if part]
    tokens = sum(float(some_lengths(part, tokenizer).mean()) * len(part) for part in parts)
    if tokens < max(TOKENS_FOR_LANGUAGE, LENGTH_FOR_LANGUAGE * sum(map(len, parts))):
        return 0
    model = SentimentConfig(vocab_size=tokenizer.vocab_size, labels=data.label_names, **options)
    crop = min(training.crop or model.max_length, model.max_length)
    cropped = np.minimum(some_lengths(texts, tokenizer), crop).mean()
    sized = training.changed(batch_size=training.batch_size or batch_size(len(texts)), pretraining=MOST_OF_LANGUAGE)
    reading = most_epochs(len(texts) * cropped) * len(texts) * cropped / throughput(sized, model, cropped)
    epoch = 2 * tokens / language_throughput(sized, model, tokenizer)  # seconds
    epochs = min(MOST_OF_LANGUAGE, int((ENOUGH * training.budget - reading) / epoch))
    return epochs if epochs >= FEWEST_OF_LANGUAGE else 0


def language_throughput(training: SentimentTraining, model: SentimentConfig, tokenizer: Tokenizer) -> float:
    """Tokens a second on which language models of this size are trained, both directions counted; as `throughput`."""
    config = own_config(training)
    rng = generator(training.seed, WEIGHTS)
    ids = frequent_ids(2 * config.batch_size * config.bptt, model.vocab_size, rng)
    task = pretraining_task(language_model_config(model), tokenizer, ids, ids, config)
    return task.gradients(rng=rng).tokens / shortest(lambda: task.gradients(rng=rng))


def some(texts: Sequence[str]) -> Sequence[str]:
    """At most MEASURED_TEXTS of the texts, evenly from all."""
    return texts[:: -(-len(texts) // MEASURED_TEXTS)]


def some_lengths(texts: Sequence[str], tokenizer: Tokenizer) -> np.ndarray:
    """The lengths, in tokens, of some texts."""
    return np.array([max(1, len(ids)) for ids in tokenizer.encode_batch(some(texts))])


def rows_for_votes(tokens: float, classes: int) -> int:
    """A row for each token, about: most runs of words stand there once, and few meet another."""
    most = min(ROWS_FOR_VOTES[-1], math.floor(math.log2(MOST_VOTES / classes)))
    return int(2 ** min(most, max(ROWS_FOR_VOTES[0], round(math.log2(tokens)))))


def batch_size(texts: int) -> int:
    """Of few texts small batches, so that an epoch has steps enough: a power of two, from 8 to 64."""
    return int(min(64, max(8, 2 ** math.floor(math.log2(max(texts, 1) / 64)))))


def most_epochs(tokens: float) -> int:
    """The fewer tokens an epoch has, the more epochs, from LEAST_EPOCHS to MOST_EPOCHS: more are learnt by heart."""
    return int(min(MOST_EPOCHS, max(LEAST_EPOCHS, math.sqrt(1.6e7 / tokens))))


def epochs_read(training: SentimentTraining, model: SentimentConfig, texts: int, length: float) -> float:
    """How often the run reads each text, if nothing is moved against the model."""
    assert training.batch_size is not None
    if training.epochs is not None:
        return float(training.epochs)
    if training.steps is not None:
        return training.steps * training.batch_size / texts
    assert training.budget is not None
    budget = training.budget * (1 - MOST_OF_BUDGET if training.pretraining else 1)
    return budget * throughput(training, model, length) / (texts * length)


def throughput(training: SentimentTraining, config: SentimentConfig, length: float) -> float:
    """Tokens a second on which the model is trained, measured for half a second on a batch of texts of this length."""
    assert training.batch_size is not None
    B, T = training.batch_size, max(1, round(length))
    rng = generator(training.seed, WEIGHTS)
    model = SentimentClassifier(config, rng=rng)
    ids = frequent_ids(B * T, config.vocab_size, rng)
    batch = DocumentBatch(ids, np.full(T, B), np.zeros(B, np.int64), np.arange(B))

    def step() -> None:
        model.gradients(batch, rng=rng)
        if training.virtual_adversarial:  # on as many texts
            model.smoothing_gradients(batch, training.virtual_adversarial, rng=rng)

    return B * T / shortest(step)


def frequent_ids(count: int, vocab_size: int, rng: np.random.Generator) -> np.ndarray:
    """Ids `(count,)` of a text to measure on: small ones are frequent words."""
    return (vocab_size * rng.random(count) ** 3).astype(np.int32)
