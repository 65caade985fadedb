"""Options of a classifier that the user leaves open: chosen from the texts, the time and a measurement.

Four facts decide: how many texts there are, how long they are, how many tokens a second the machine trains on
(measured), and so how often it could read each text. docs/results/ has the experiments behind the rules.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnnlp.batches.documents import DocumentBatch
from rnnnlp.batches.seeding import RandomStream, rng_for
from rnnnlp.batches.shards import WHOLE
from rnnnlp.errors import OptionName, UserError, option
from rnnnlp.tasks.sentiment.adversarial import vat_gradients
from rnnnlp.tasks.sentiment.bundled import bundled_models, is_bundled
from rnnnlp.tasks.sentiment.config import NO_MODEL, SHAPE, SentimentConfig, SentimentOptions, SentimentTraining
from rnnnlp.tasks.sentiment.linear_fitting import MOST_IN_FOLDS, best_tokenizer
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.pretraining import MAX_SHARE_OF_BUDGET, pretraining_config, word_lm_config
from rnnnlp.tasks.sentiment.transfer import CLASSIFIER_SHAPE, PRETRAINED_DROPOUT
from rnnnlp.tasks.word_lm.train import new_objective
from rnnnlp.text import LabelledData, Tokenizer, is_unspaced, suggested_tokenizers, train_tokenizer
from rnnnlp.text.scripts import script_shares
from rnnnlp.text.sources import GIVEN
from rnnnlp.training.clock import number_of_evaluations
from rnnnlp.training.options import values_of
from rnnnlp.training.throughput import usual_seconds

SHOWN = (
    *(
        "linear",
        "folds",
        "pretraining",
        "tokenizer",
        "vocab_size",
        "min_frequency",
        "hidden_size",
        "embedding_size",
        "dropout",
        "ngram_buckets",
    ),
    *("label_smoothing", "batch_size", "crop", "adversarial", "max_epochs", "evaluations"),
)
MEASURED_TEXTS = 1000
MOST_FOR_BUNDLED, MAIN_SHARE, MOST_UNKNOWN = 10_000, 0.8, 0.15  # texts, share of the script, share of unknown words
FOLDS = (5, 3)
CROSS_VALIDATED_TEXTS = 5000  # at most; of more, some can be spared for validation
FEWEST_FOR_NETWORK = 500  # texts; with fewer a network that starts from nothing adds chance to a linear model
LINEAR_SECONDS, LINEAR_TOKENS_PER_SECOND = 20.0, 15_000.0  # a smaller budget, or more tokens, is too little for it
CROP = 400  # tokens; enough of a review for a model trained from scratch
NGRAM_BUCKETS = range(17, 23)  # powers of two
MAX_NGRAM_WEIGHTS = 2**23  # buckets times classes: each takes 24 bytes in training
NGRAM_LENGTH, NGRAM_TOKENS = 30, 1e5  # with shorter or fewer texts n-gram features only overfit
NGRAM_LENGTH_PRETRAINED = 100  # mean tokens per text below which n-gram features hurt a pretrained model
LABEL_SMOOTHING = 0.05  # without n-gram features, which the log-count ratios regularise
ADVERSARIAL = 0.03  # of the norm of the word embeddings
ADVERSARIAL_WORK = 2.0  # two forward and two backward passes
MIN_EPOCHS, MAX_EPOCHS = 3, 20
PRETRAINING_LENGTH, PRETRAINING_TOKENS = 15, 1e5  # phrases and few texts are useless in pretraining
MIN_PRETRAINING_EPOCHS, MAX_PRETRAINING_EPOCHS = 3, 4  # more epochs overfit on few texts
VOCABULARY = {"word": 30_000, "bpe": 20_000}
TRIAL_VOCABULARY = {"word": 30_000, "bpe": 4_000}
TRIAL_SECONDS, MOST_TRIED = 60.0, 3000  # budget, at least; texts that tokenizers are tried on, at most
USED_BUDGET = 0.7  # the optimizer's work is not measured, and machines are shared
PRETRAINED_NETWORK = {"hidden_size": 256, "embedding_size": 256, "dropout": PRETRAINED_DROPOUT}

log = logging.getLogger(__name__)


def resolve(
    options: SentimentOptions, given: Mapping[str, Any], data: LabelledData, tokenizer: Tokenizer
) -> tuple[SentimentTraining, SentimentConfig]:
    """Decides what the options leave open, and logs it.

    Args:
        options: How to train, with tokenizer and pretraining decided: see `resolve_pretraining`.
        given: The options of the network that were given.
        data: The labelled texts.
        tokenizer: The tokenizer of the classifier.
    """
    config = SentimentConfig(
        vocab_size=tokenizer.vocab_size, labels=data.classes.names, label_type=data.classes.type, **given
    )
    pretrained = bool(options.pretraining or options.from_)
    texts, crop = len(data.splits["train"]), options.crop or (config.max_length if pretrained else CROP)
    batch_size = options.batch_size or batch_size_for(texts)
    in_batch = min(batch_size, texts)  # texts
    lengths = sampled_lengths(data.splits["train"].texts, tokenizer, config.max_length)
    mean = float(lengths.mean())
    if "ngram_buckets" not in given:
        config = with_ngrams(config, texts, mean, pretrained=pretrained)
    label_smoothing = options.label_smoothing
    if label_smoothing is None:
        label_smoothing = 0.0 if config.ngram_buckets else LABEL_SMOOTHING
    cropped = float(np.minimum(lengths, crop).mean())  # tokens a text
    affordable = affordable_epochs(options, config, texts, cropped, in_batch)
    work = 1.0 if options.budget is None else ADVERSARIAL_WORK  # a run with a budget pays for it with epochs
    max_epochs = options.max_epochs or max_epochs_for(texts * cropped)
    # Where a linear model decides alone, no network is trained in the folds, which then take no time.
    linear_alone = not pretrained and linear_decides(options, data, mean)
    folds = folds_for(options, data, math.inf if linear_alone else affordable / max_epochs)
    epochs_per_training = affordable
    if options.budget is not None and not linear_alone:
        epochs_per_training /= folds + 1  # the folds and the final training share the budget
    adversarial = options.adversarial
    if adversarial is None:
        enough = epochs_per_training >= work * max_epochs
        adversarial = ADVERSARIAL if enough and not config.ngram_buckets else 0.0
    expected_epochs = epochs_per_training / (work if adversarial else 1)
    if options.budget is not None:
        options = options.changed(max_epochs=max_epochs)
        expected_epochs = min(expected_epochs, max_epochs)
    expected_tokens = expected_epochs * texts * cropped
    validation_tokens = int(len(data.splits["validation"]) * mean)
    decided = {
        "pretraining": options.pretraining or 0,
        "linear": uses_linear(options, data, mean),
        "folds": folds,
        "min_frequency": options.least_frequency,
        "batch_size": batch_size,
        "crop": crop,
        "weight_decay": options.weight_decay or 0.0,
        "label_smoothing": label_smoothing,
        "adversarial": adversarial,
        "evaluations": options.evaluations or number_of_evaluations(expected_tokens, validation_tokens),
    }
    training = SentimentTraining(**options.to_mapping() | decided)
    log.info(
        "about %.3g epochs of %d texts of about %.0f tokens; chosen or given: %s",
        *(expected_epochs, texts, mean, values_of(SHOWN, training, config)),
    )
    return training, config


def folds_for(options: SentimentOptions, data: LabelledData, trainings: float) -> int:
    """The number of folds of the cross-validation: 0 with many texts, a validation split, or too little time.

    Args:
        options: How to train.
        data: The labelled texts.
        trainings: The number of times that the network could be trained in the time that there is.
    """
    if options.folds and not data.held_out:
        raise UserError(
            f"{option('folds')} is {options.folds}, and {data.source} has a validation split; leave the option out, or "
            "give data without such a split"
        )
    if options.folds is not None:
        return options.folds
    texts = len(data.splits["train"]) + len(data.splits["validation"])
    if not data.held_out or options.budget is None or texts > CROSS_VALIDATED_TEXTS:
        return 0
    if options.from_ is not None and not is_bundled(options.from_):  # that run may have been trained on these texts
        return 0
    return next((folds for folds in FOLDS if folds <= USED_BUDGET * trainings), 0)


def may_pretrain(options: SentimentOptions) -> bool:
    """Whether a language model may be pretrained on the texts: where that is said, or there is a budget."""
    if options.pretraining is None:
        return not options.has_start and options.budget is not None
    return options.pretraining > 0


def resolve_pretraining(
    options: SentimentOptions, given: Mapping[str, Any], data: LabelledData
) -> tuple[SentimentOptions, dict[str, Any], Tokenizer]:
    """Decides whether a language model is pretrained on the texts, of what size, and with what tokenizer.

    Where `pretraining` is left open, it needs a budget that covers, with a margin, at least MIN_PRETRAINING_EPOCHS of
    it and the whole training of the classifier. With pretraining, subwords carry more meaning than the single
    characters of a text without spaces.

    A word of one text only tells a linear model something. A network needs such words to learn what unknown ones are
    like. Where a linear model decides alone, no word of its texts may be unknown: such a word would stand for all
    unknown ones, which are many in other texts.
    """
    texts = data.splits["train"].texts

    def tokenized(kind: str, texts: Sequence[str]) -> tuple[SentimentOptions, Tokenizer]:
        of_kind = options.changed(tokenizer=kind, vocab_size=options.vocab_size or VOCABULARY.get(kind))
        return of_kind, train_tokenizer(kind, list(map(str.strip, texts)), **of_kind.vocabulary_options)

    kind = without_pretraining = options.tokenizer or tokenizer_for(options, data)
    if options.tokenizer is None and may_pretrain(options) and is_unspaced(texts):
        kind = "bpe"
    resolved, tokenizer = tokenized(kind, texts)
    if may_pretrain(options):
        network_options = {**PRETRAINED_NETWORK, **given}
        if resolved.pretraining is None:
            epochs = pretraining_epochs(resolved, network_options, data, tokenizer)
            resolved = resolved.changed(pretraining=epochs)
        if resolved.pretraining:
            return resolved, network_options, tokenizer
    mean = float(sampled_lengths(texts, tokenizer, given.get("max_length", SentimentConfig.max_length)).mean())
    if linear_decides(options, data, mean):  # it learns from all texts
        options = options.changed(min_frequency=1 if options.min_frequency is None else options.min_frequency)
        resolved, tokenizer = tokenized(without_pretraining, [*texts, *data.splits["validation"].texts])
    elif kind != without_pretraining:
        resolved, tokenizer = tokenized(without_pretraining, texts)
    return resolved.changed(pretraining=0), dict(given), tokenizer


def has_linear(options: SentimentOptions, data: LabelledData, mean: float) -> bool:
    """Whether the budget is enough for a linear model, too; `mean` is the number of tokens of a text."""
    columns, texts = 1 if len(data.classes) == 2 else len(data.classes), len(data.splits["train"])
    tokens = columns * mean * (min(texts, MOST_IN_FOLDS) + texts / 6)  # of some fits to a part, and one to all
    seconds = options.budget or 0.0
    return seconds >= LINEAR_SECONDS and tokens <= LINEAR_TOKENS_PER_SECOND * seconds


def uses_linear(options: SentimentOptions, data: LabelledData, mean: float) -> bool:
    """Whether there is a linear model: as `linear` says or, where that is left open, if `has_linear` says so."""
    return has_linear(options, data, mean) if options.linear is None else options.linear


def linear_decides(options: SentimentOptions, data: LabelledData, mean: float) -> bool:
    """Whether the texts are so few that a linear model decides alone, if the network does not start from another."""
    few = data.held_out and len(data.splits["train"]) + len(data.splits["validation"]) < FEWEST_FOR_NETWORK
    cross_validated = bool(options.folds) or (options.folds is None and (options.budget or 0.0) >= LINEAR_SECONDS)
    return few and uses_linear(options, data, mean) and cross_validated


def with_start(options: SentimentOptions, given: Mapping[str, Any], data: LabelledData) -> SentimentOptions:
    """The options with what the classifier starts from: a bundled model if its language and its words are the texts'.

    Args:
        options: How to train.
        given: The options of the network that were given.
        data: The labelled texts.
    """
    if options.from_ == NO_MODEL:
        return options.changed(from_=None)
    texts = sample(data.splits["train"].texts)
    of_network = any(name in given for name in (*SHAPE, *CLASSIFIER_SHAPE))
    is_open = options.from_ is None and options.budget is not None and options.pretraining is None and not of_network
    if not is_open or options.tokenizer or options.vocab_size or len(data.splits["train"]) > MOST_FOR_BUNDLED:
        return options
    models = bundled_models()
    scripts = script_shares(texts)
    script, share = next(iter(scripts.items()), ("", 0.0))
    name = next((model.name for model in models.values() if script in model.scripts), None)
    if name is None or share < MAIN_SHARE:
        return options
    model = SentimentNetwork.from_pretrained(models[name].folder)
    unknown = float(np.mean(model.unknown_words(texts, model.encode(texts))))
    if unknown > MOST_UNKNOWN:
        return options
    log.log(
        logging.WARNING if options.data == GIVEN else logging.INFO,  # in Python nobody sees the latter
        "starting from the bundled model %s, which was trained on %s and knows %.0f %% of the words; give %s %s to "
        "train from scratch",
        *(name, " and ".join(models[name].trained_on), 100 * (1 - unknown), OptionName("from_"), NO_MODEL),
    )
    return options.changed(from_=name)


def tokenizer_for(options: SentimentOptions, data: LabelledData) -> str:
    """The kind of tokenizer that suits the texts. Where their scripts do not tell, linear models try some kinds."""
    train = data.splits["train"]
    kinds = suggested_tokenizers(train.texts)
    if len(kinds) == 1 or options.budget is None or options.budget < TRIAL_SECONDS:
        return kinds[0]
    rng = rng_for(options.seed, RandomStream.FOLDS)
    some = np.sort(rng.permutation(len(train))[:MOST_TRIED])
    texts = [train.texts[row].strip() for row in some.tolist()]
    of_kinds = {}
    for kind in kinds:
        of_kind = options.changed(tokenizer=kind, vocab_size=options.vocab_size or TRIAL_VOCABULARY.get(kind))
        of_kinds[kind] = train_tokenizer(kind, texts, **of_kind.vocabulary_options)
    best = best_tokenizer(list(of_kinds.values()), texts, train.labels[some], len(data.classes), rng=rng).kind
    log.info("tokenizer: %s, the best of %s for a linear model of %d texts", best, ", ".join(kinds), len(texts))
    return best


def pretraining_epochs(
    options: SentimentOptions, given: Mapping[str, Any], data: LabelledData, tokenizer: Tokenizer
) -> int:
    """The number of epochs of pretraining: 0 where the texts, or the time, are not enough."""
    texts = data.splits["train"].texts
    parts = [part for part in (texts, data.unlabelled) if part]
    tokens = sum(float(sampled_lengths(part, tokenizer).mean()) * len(part) for part in parts)
    if tokens < max(PRETRAINING_TOKENS, PRETRAINING_LENGTH * sum(map(len, parts))):
        return 0
    config = SentimentConfig(vocab_size=tokenizer.vocab_size, labels=data.classes.names, **given)
    crop = min(options.crop or config.max_length, config.max_length)
    cropped = float(sampled_lengths(texts, tokenizer, crop).mean())
    batch_size = options.batch_size or batch_size_for(len(texts))
    speed = throughput(options, config, cropped, min(batch_size, len(texts)))
    classifier_seconds = max_epochs_for(len(texts) * cropped) * len(texts) * cropped / speed
    epoch_seconds = 2 * tokens / pretraining_throughput(options, config, tokenizer)
    left = USED_BUDGET * (options.budget or 0.0) - classifier_seconds
    epochs = min(MAX_PRETRAINING_EPOCHS, int(left / epoch_seconds))
    return epochs if epochs >= MIN_PRETRAINING_EPOCHS else 0


def pretraining_throughput(options: SentimentOptions, config: SentimentConfig, tokenizer: Tokenizer) -> float:
    """Tokens a second in training of language models of this size, both directions counted; as `throughput`."""
    training = pretraining_config(options, MAX_PRETRAINING_EPOCHS)
    rng = rng_for(options.seed, RandomStream.WEIGHTS)
    ids = random_ids(2 * training.batch_size * training.bptt, config.vocab_size, rng=rng)
    objective = new_objective(word_lm_config(config), tokenizer, ids, ids, training, {})

    def step() -> int:
        objective.next_batch()
        return objective.gradients(WHOLE, rng=rng).tokens

    return step() / usual_seconds(step, options.budget)


def sample(texts: Sequence[str]) -> Sequence[str]:
    """At most MEASURED_TEXTS of the texts, evenly spread."""
    return texts[:: -(-len(texts) // MEASURED_TEXTS)]


def sampled_lengths(texts: Sequence[str], tokenizer: Tokenizer, max_length: int | None = None) -> np.ndarray:
    """The lengths, in tokens, of a sample of the texts, each at most `max_length`."""
    return np.array([max(1, len(ids)) for ids in tokenizer.encode_batch(map(str.strip, sample(texts)), max_length)])


def with_ngrams(config: SentimentConfig, texts: int, length: float, *, pretrained: bool) -> SentimentConfig:
    """The network with n-gram features, where the texts are long enough and have enough tokens for them.

    Args:
        config: The network.
        texts: The number of texts to train on.
        length: The mean number of tokens of a text.
        pretrained: Whether the recurrent layers are pretrained.
    """
    shortest = NGRAM_LENGTH_PRETRAINED if pretrained else NGRAM_LENGTH
    if length >= shortest and texts * length >= NGRAM_TOKENS:
        return config.changed(ngram_buckets=buckets_for(texts * length, len(config.labels)))
    return config


def buckets_for(tokens: float, classes: int) -> int:
    """About one bucket for each token: most n-grams occur once, and few collide. 0, for none, with many classes."""
    most = min(NGRAM_BUCKETS[-1], math.floor(math.log2(MAX_NGRAM_WEIGHTS / classes)))
    if most < NGRAM_BUCKETS[0]:
        return 0
    return int(2 ** min(most, max(NGRAM_BUCKETS[0], round(math.log2(tokens)))))


def batch_size_for(texts: int) -> int:
    """A power of two from 8 to 64: small batches for few texts, so that an epoch has enough steps."""
    return int(min(64, max(8, 2 ** math.floor(math.log2(max(texts, 1) / 64)))))


def max_epochs_for(tokens: float) -> int:
    """More epochs the fewer tokens an epoch has, from MIN_EPOCHS to MAX_EPOCHS: still more would overfit."""
    return int(min(MAX_EPOCHS, max(MIN_EPOCHS, math.sqrt(1.6e7 / tokens))))


def affordable_epochs(
    options: SentimentOptions, config: SentimentConfig, texts: int, length: float, batch_size: int
) -> float:
    """The number of epochs that the run can make without adversarial training."""
    if options.epochs is not None:
        return float(options.epochs)
    if options.steps is not None:
        return options.steps * batch_size / texts
    budget = (options.budget or 0.0) * (1 - MAX_SHARE_OF_BUDGET if options.pretraining else 1)
    return budget * throughput(options, config, length, batch_size) / (texts * length)


def throughput(options: SentimentOptions, config: SentimentConfig, length: float, batch_size: int) -> float:
    """Tokens a second in training, measured for a moment on a batch of texts of this length."""
    B, T = batch_size, max(1, round(length))
    rng = rng_for(options.seed, RandomStream.WEIGHTS)
    network = SentimentNetwork(config, rng=rng)
    ids = random_ids(B * T, config.vocab_size, rng=rng)
    batch = DocumentBatch(ids, np.full(T, B), np.zeros(B, np.int64), np.arange(B))

    def step() -> None:
        network.gradients(batch, rng=rng)
        if options.virtual_adversarial:  # on as many texts
            vat_gradients(network, batch, options.virtual_adversarial, rng=rng)

    return B * T / usual_seconds(step, options.budget)


def random_ids(count: int, vocab_size: int, *, rng: np.random.Generator) -> np.ndarray:
    """Ids `(count,)` of a text to measure on: small ids are frequent words."""
    return (vocab_size * rng.random(count) ** 3).astype(np.int32)
