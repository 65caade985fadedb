"""From data and options to a trained model in a run folder: the one way, for the command line and for Python."""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

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
from rnnnlp.text import Corpus, EncodedCorpus, LabelledData, LabelledSplit, encode_corpus, load_corpus, load_labelled
from rnnnlp.text.labelled import HELD_OUT_SEED, hold_out_validation
from rnnnlp.training import classifier_recipes, recipes
from rnnnlp.training.card import model_card
from rnnnlp.training.config import DEFAULT_BUDGET, CharLMTraining, Pretraining, SentimentTraining, TrainingConfig
from rnnnlp.training.loop import Trainer
from rnnnlp.training.pretraining import learn_language, pretraining_task, seconds_of_language
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
        encoded = encode_corpus(corpus, config.tokenizer, splits=SPLITS, **config.vocabulary_options)
        config, model_config = chosen(config, model_options, encoded)
        model = CharLM(model_config, encoded.tokenizer, rng=generator(config.seed, draws.WEIGHTS))
        return finish(Trainer.begin(char_lm_task(model, encoded, config), config, run, started=started))


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
        if pretrained is None:
            config, model_options, tokenizer = classifier_recipes.choose_pretraining(config, model_options, data)
        else:
            assert pretrained.tokenizer is not None
            tokenizer = pretrained.tokenizer
        config, model_config = classifier_recipes.choose(config, model_options, data, tokenizer)
        model = SentimentClassifier(model_config, tokenizer, rng=generator(config.seed, draws.WEIGHTS))
        if pretrained is not None:
            start_from(pretrained, model)
        trainer = Trainer.begin(sentiment_task(model, data, config), config, run, started=started)
        if config.pretraining:
            trainer = after_pretraining(trainer, data, started)
        return finish(trainer)


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
        encoded = encode_corpus(corpus_of(config), config.tokenizer, splits=SPLITS, **config.vocabulary_options)
        model_config = BidirectionalLMConfig(encoded.tokenizer.vocab_size, **model_options)
        train, validation = train_and_validation(encoded)
        task = pretraining_task(model_config, encoded.tokenizer, train, validation, config)
        return finish(Trainer.begin(task, config, run, started=started))


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
    if isinstance(model, SentimentClassifier):
        return finish(resumed_classifier(model, data, config, run))
    encoded = encode_corpus(corpus_of(config), model.tokenizer, splits=SPLITS)
    task: Any = (
        char_lm_task(model, encoded, config)
        if isinstance(model, CharLM)
        else PretrainingTask(cast(BidirectionalLM, model), *train_and_validation(encoded), config)
    )
    trainer = Trainer(task, config, run)
    trainer.resume()
    return finish(trainer)


def resumed_classifier(
    model: SentimentClassifier, data: LabelledData | None, config: SentimentTraining, run: RunFolder
) -> Trainer:
    """The run as it was, with its language models first if it has not begun."""
    own = data or load_training_data(config)
    task = sentiment_task(model, own, config)
    if data is None and task.fingerprint() != read_state(run.latest_checkpoint())["data"]:
        # The first runs of 0.1 held out other texts for each seed.
        task = sentiment_task(model, load_training_data(config, held_out_seed=config.seed), config)
    trainer = Trainer(task, config, run, spent=seconds_of_language(run))
    trainer.resume()
    if config.pretraining and trainer.clock.step == 0:
        trainer = after_pretraining(trainer, own, time.monotonic())
    return trainer


def after_pretraining(trainer: Trainer, data: LabelledData, started: float) -> Trainer:
    """The run of a classifier that has not begun, once its language models are there and it starts from them."""
    task, run = trainer.task, trainer.run
    config: Any = trainer.config
    assert isinstance(task.model, SentimentClassifier)
    spent = learn_language(task.model, data, config, run, started=started)
    trainer = Trainer(task, config, run, spent=spent)
    trainer.save_checkpoint()
    return trainer


def corpus_of(config: Any) -> Corpus:
    return load_corpus(
        config.data,
        text_column=config.text_column,
        document_separator=config.document_separator,
        unlabelled=isinstance(config, Pretraining),
    )


def char_lm_task(model: Any, encoded: Any, config: Any) -> CharLMTask:
    return CharLMTask(model, *train_and_validation(encoded), encoded.characters["validation"], config)


def train_and_validation(encoded: EncodedCorpus) -> tuple[np.ndarray, np.ndarray]:
    """The ids of a corpus, their number said."""
    train, validation = encoded.ids["train"], encoded.ids["validation"]
    log.info("%s: %d tokens to train on, %d to validate", encoded.source, len(train), len(validation))
    return train, validation


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
        unlabelled=config.virtual_adversarial > 0 or classifier_recipes.may_pretrain(config),
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


def finish(trainer: Trainer) -> Any:
    """Trains to the end, writes the model card and returns the model with its best weights."""
    trainer.train()
    run, clock = trainer.run, trainer.clock
    model = type(trainer.task.model).from_pretrained(run.path)
    seconds = trainer.spent + clock.seconds
    card = model_card(model, trainer.config, steps=clock.step, seconds=seconds, validation=trainer.best_metrics)
    write_atomically(run.path / "README.md", card.encode())
    return model


BEGIN: dict[str, Callable[..., Model]] = {
    "char_lm": train_char_lm,
    "sentiment": train_sentiment,
    "bidirectional_lm": pretrain,
}
