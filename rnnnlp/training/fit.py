"""From data and options to a trained model in a run folder: the one way, for the command line and for Python."""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from rnnnlp import kernels
from rnnnlp.batches import draws
from rnnnlp.batches.draws import generator
from rnnnlp.errors import UserError
from rnnnlp.models.bidirectional_lm import BidirectionalLM
from rnnnlp.models.char_lm import CharLM
from rnnnlp.models.config import BidirectionalLMConfig, CharLMConfig, SentimentConfig
from rnnnlp.models.model import Model, read_config
from rnnnlp.models.sentiment import SentimentClassifier
from rnnnlp.models.storage import Damaged, write_atomically
from rnnnlp.text import Corpus, LabelledData, LabelledSplit, encode_corpus, load_corpus, load_labelled, train_tokenizer
from rnnnlp.text.labelled import HELD_OUT_SEED, hold_out_validation
from rnnnlp.training import classifier_recipes, recipes
from rnnnlp.training.card import model_card
from rnnnlp.training.config import DEFAULT_BUDGET, CharLMTraining, Pretraining, SentimentTraining, TrainingConfig
from rnnnlp.training.loop import Trainer
from rnnnlp.training.run_folder import RunFolder, read_state
from rnnnlp.training.tasks import CharLMTask, PretrainingTask, SentimentTask
from rnnnlp.training.transfer import as_pretrained, load_pretrained, set_rates, start_from

SPLITS = ("train", "validation")  # the ones that training reads

MODELS: dict[str, tuple[type[Model], type[TrainingConfig]]] = {
    model.model_type: (model, training)
    for model, training in (
        (CharLM, CharLMTraining),
        (SentimentClassifier, SentimentTraining),
        (BidirectionalLM, Pretraining),
    )
}

log = logging.getLogger(__name__)


def train_char_lm(
    config: CharLMTraining, model_options: dict[str, Any], out: str | os.PathLike, *, overwrite: bool = False
) -> CharLM:
    """Trains a character language model on `config.data` into the new run folder `out` and returns its best weights.

    `model_options` are fields of `CharLMConfig` besides the vocabulary.
    """
    started = time.monotonic()
    config = prepare(config)
    CharLMConfig(vocab_size=1, **model_options)  # refuses bad values before the data are read
    with RunFolder.create(out, overwrite=overwrite) as run:
        corpus = corpus_of(config)
        encoded = encode_corpus(corpus, config.tokenizer, splits=SPLITS, **vocabulary_options(config))
        config, model_config = chosen(config, model_options, encoded)
        model = CharLM(model_config, encoded.tokenizer, rng=generator(config.seed, draws.WEIGHTS))
        return run_training(char_lm_task(model, encoded, config), config, run, started)


def train_sentiment(
    config: SentimentTraining,
    model_options: dict[str, Any],
    out: str | os.PathLike,
    *,
    overwrite: bool = False,
    data: LabelledData | None = None,
) -> SentimentClassifier:
    """Trains a classifier on `data`, or on what `config.data` names, into the new run folder `out`.

    `model_options` are fields of `SentimentConfig` besides the vocabulary and the labels. Returns the best weights.
    """
    started = time.monotonic()
    config = prepare(config)
    pretrained = None if config.from_ is None else load_pretrained(config.from_)
    if pretrained is not None:
        config, model_options = as_pretrained(pretrained, config, model_options)
    SentimentConfig(vocab_size=1, labels=("", " "), **model_options)  # refuses bad values before the data are read
    with RunFolder.create(out, overwrite=overwrite) as run:
        data = data or load_training_data(config)
        if not data.splits["validation"].texts:
            raise UserError(
                f"{data.source}: there is no text to validate on; give two or more of a class, or such a split"
            )
        tokenizer = (pretrained and pretrained.tokenizer) or train_tokenizer(
            config.tokenizer, data.splits["train"].texts, **vocabulary_options(config)
        )
        config, model_config = classifier_recipes.choose(config, model_options, data, tokenizer)
        model = SentimentClassifier(model_config, tokenizer, rng=generator(config.seed, draws.WEIGHTS))
        if pretrained is not None:
            start_from(pretrained, model)
        return run_training(sentiment_task(model, data, config), config, run, started)


def pretrain(
    config: Pretraining, model_options: dict[str, Any], out: str | os.PathLike, *, overwrite: bool = False
) -> BidirectionalLM:
    """Trains language models of words in both directions on `config.data` into the new run folder `out`.

    `model_options` are fields of `BidirectionalLMConfig` besides the vocabulary. Returns the best weights.
    """
    started = time.monotonic()
    config = prepare(config)
    BidirectionalLMConfig(vocab_size=1, **model_options)  # refuses bad values before the data are read
    with RunFolder.create(out, overwrite=overwrite) as run:
        encoded = encode_corpus(corpus_of(config), config.tokenizer, splits=SPLITS, **vocabulary_options(config))
        model_config = BidirectionalLMConfig(encoded.tokenizer.vocab_size, **model_options)
        model = BidirectionalLM(model_config, encoded.tokenizer, rng=generator(config.seed, draws.WEIGHTS))
        task = pretraining_task(model, encoded, config)
        model.output.bias.value[...] = np.log(task.sampler.share)  # what is known without reading
        return run_training(task, config, run, started)


def resume(path: str | os.PathLike, model_type: str, *, data: LabelledData | None = None) -> Model:
    """Goes on with the run in folder `path` as if it had never stopped; returns its best weights.

    UserError if there is no such run, or it trains another kind of model than `model_type`.
    """
    with RunFolder.reopen(path) as run:
        try:
            return go_on(run, model_type, data)
        except Damaged as error:
            *older, newest = run.checkpoints()
            if not older or not str(error).startswith(str(newest)):
                raise
            raise UserError(f"{error}, or remove {newest} to go on from {older[-1].name}") from None


def go_on(run: RunFolder, model_type: str, data: LabelledData | None) -> Model:
    model_class, config_class = MODELS[model_type]
    checkpoint = run.latest_checkpoint()
    model = model_class.from_pretrained(checkpoint)
    assert model.tokenizer is not None
    options = read_config(checkpoint).get("training", {})
    config: Any = config_class.from_mapping(options, str(checkpoint / "config.json"))
    use_backend(config.backend, config.threads)
    task: Any
    if isinstance(model, SentimentClassifier):
        task = sentiment_task(model, data or load_training_data(config), config)
        if data is None and task.fingerprint() != read_state(checkpoint)["data"]:
            # The first runs of 0.1 held out other texts for each seed.
            task = sentiment_task(model, load_training_data(config, held_out_seed=config.seed), config)
    else:
        encoded = encode_corpus(corpus_of(config), model.tokenizer, splits=SPLITS)
        task = (char_lm_task if isinstance(model, CharLM) else pretraining_task)(model, encoded, config)
    trainer = Trainer(task, config, run)
    trainer.resume()
    return finish(trainer)


def corpus_of(config: Any) -> Corpus:
    return load_corpus(
        config.data,
        text_column=config.text_column,
        document_separator=config.document_separator,
        unlabelled=isinstance(config, Pretraining),
    )


def char_lm_task(model: Any, encoded: Any, config: Any) -> CharLMTask:
    train, validation = encoded.ids["train"], encoded.ids["validation"]
    log.info("%s: %d tokens to train on, %d to validate", encoded.source, len(train), len(validation))
    return CharLMTask(model, train, validation, encoded.characters["validation"], config)


def pretraining_task(model: Any, encoded: Any, config: Any) -> PretrainingTask:
    train, validation = encoded.ids["train"], encoded.ids["validation"]
    log.info("%s: %d tokens to train on, %d to validate", encoded.source, len(train), len(validation))
    return PretrainingTask(model, train, validation, config)


def chosen(config: CharLMTraining, model_options: dict[str, Any], encoded: Any) -> tuple[CharLMTraining, CharLMConfig]:
    """The configurations with everything decided that was left open: see `recipes`."""
    train, validation = encoded.ids["train"], encoded.ids["validation"]
    return recipes.choose(
        config,
        model_options,
        vocab_size=encoded.tokenizer.vocab_size,
        tokens=len(train),
        validation_tokens=min(len(validation), config.validation_tokens),
    )


def sentiment_task(model: SentimentClassifier, data: LabelledData, config: Any) -> SentimentTask:
    splits = [(model.encode(split.texts), split.labels) for split in (data.splits["train"], data.splits["validation"])]
    tokens = sum(len(ids) for ids in splits[0][0])
    log.info(
        "%s: %d texts (%d tokens) to train on, %d to validate",
        data.source,
        len(splits[0][0]),
        tokens,
        len(splits[1][0]),
    )
    set_rates(model, config.lr_decay)
    model.fit_votes(*splits[0])
    unlabelled = []
    if config.virtual_adversarial:
        unlabelled = model.encode(data.unlabelled)
        log.info("%s: %d texts without a label to be judged alike, too", data.source, len(unlabelled))
    return SentimentTask(model, splits[0], splits[1], config, unlabelled)


def load_training_data(config: SentimentTraining, *, held_out_seed: int = HELD_OUT_SEED) -> LabelledData:
    return load_labelled(
        config.data,
        text_column=config.text_column,
        label_column=config.label_column,
        rng_seed=held_out_seed,
        splits=SPLITS,
        unlabelled=config.virtual_adversarial > 0,
    )


def labelled(
    texts: Sequence[str], labels: Sequence[Any], validation: tuple[Sequence[str], Sequence[Any]] | None
) -> LabelledData:
    """Lists of texts and labels as a data set; without `validation`, 5 % of the texts of each class are held out."""
    names = tuple(sorted({str(label) for label in labels}))
    source = "the given texts"
    train = LabelledSplit(list(texts), label_numbers(labels, names, len(texts)))
    if len(names) < 2:
        raise UserError(f"the given labels are all {', '.join(names)!r}; a classifier needs two classes or more")
    if validation is None:
        return LabelledData(hold_out_validation(train, source), names, source)
    held_out = LabelledSplit(list(validation[0]), label_numbers(validation[1], names, len(validation[0])))
    return LabelledData({"train": train, "validation": held_out}, names, source)


def label_numbers(labels: Sequence[Any], names: tuple[str, ...], texts: int) -> np.ndarray:
    """`(texts,)`: the place of each label among `names`."""
    if len(labels) != texts:
        raise UserError(f"there are {texts} texts and {len(labels)} labels; give one label a text")
    if unknown := [label for label in labels if str(label) not in names]:
        raise UserError(f"the label {unknown[0]!r} of a validation text is not one of training; leave the text out")
    return np.array([names.index(str(label)) for label in labels], np.int64)


def run_folder(out: str | None) -> AbstractContextManager[str]:
    """The folder of a run: `out`, or a temporary one for a run that nobody asked to keep."""
    return nullcontext(out) if out is not None else tempfile.TemporaryDirectory(prefix="rnnnlp-")


def prepare(config: Any) -> Any:
    """The configuration with a limit of time or steps, its backend in use."""
    if config.epochs is None and config.steps is None and config.budget is None:
        log.info("no --epochs, --steps or --budget: training for %g minutes", DEFAULT_BUDGET / 60)
        config = config.changed(budget=DEFAULT_BUDGET)
    use_backend(config.backend, config.threads)
    return config


def use_backend(backend: str | None, threads: int | None) -> None:
    """Chooses the kernels of this process and how many threads it uses, and says so."""
    log.info("kernels: %s", kernels.use(backend, threads))


def vocabulary_options(config: TrainingConfig) -> dict[str, Any]:
    """What training a tokenizer of this kind wants to know."""
    if config.tokenizer in ("char", "byte"):
        return {}
    return {"vocab_size": config.vocab_size, "min_frequency": config.min_frequency}


def run_training(task: Any, config: TrainingConfig, run: RunFolder, started: float) -> Any:
    run.clear()
    task.model.save_config(run.path, extra=config.to_mapping())  # there are no trained weights yet
    trainer = Trainer(task, config, run, started=started)
    trainer.save_checkpoint()
    return finish(trainer)


def finish(trainer: Trainer) -> Any:
    """Trains to the end, writes the model card and returns the model with its best weights."""
    trainer.train()
    run, clock = trainer.run, trainer.clock
    model = type(trainer.task.model).from_pretrained(run.path)
    card = model_card(model, trainer.config, steps=clock.step, seconds=clock.seconds, validation=trainer.best_metrics)
    write_atomically(run.path / "README.md", card.encode())
    return model


BEGIN: dict[str, Callable[..., Model]] = {
    "char_lm": train_char_lm,
    "sentiment": train_sentiment,
    "bidirectional_lm": pretrain,
}
