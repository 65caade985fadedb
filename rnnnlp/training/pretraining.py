"""Language models of words; also as the first part of a classifier's run: of its own texts, from which it starts."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnnlp.batches import draws
from rnnnlp.batches.draws import generator
from rnnnlp.errors import UserError
from rnnnlp.models.bidirectional_lm import BidirectionalLM
from rnnnlp.models.config import BidirectionalLMConfig, SentimentConfig
from rnnnlp.models.sentiment import SentimentClassifier
from rnnnlp.text import LabelledData, Tokenizer
from rnnnlp.training.config import SHAPE, Pretraining, SentimentTraining
from rnnnlp.training.loop import Trainer
from rnnnlp.training.run_folder import LANGUAGE_MODEL, RunFolder, read_state
from rnnnlp.training.tasks import PretrainingTask
from rnnnlp.training.transfer import start_from

MOST_OF_BUDGET = 0.6  # however slow the machine has become

log = logging.getLogger(__name__)


def pretraining_task(
    model_config: BidirectionalLMConfig,
    tokenizer: Tokenizer,
    train: np.ndarray,
    validation: np.ndarray,
    config: Pretraining,
) -> PretrainingTask:
    """New language models, and how they learn from the ids `train (length,)`."""
    model = BidirectionalLM(model_config, tokenizer, rng=generator(config.seed, draws.WEIGHTS))
    task = PretrainingTask(model, train, validation, config)
    model.output.bias.value[...] = np.log(task.sampler.share)  # what is known without reading
    return task


def learn_language(
    classifier: SentimentClassifier, data: LabelledData, config: SentimentTraining, run: RunFolder, *, started: float
) -> float:
    """Learns the language of the texts, or goes on with that, and lets `classifier` start from it.

    The language models have a folder of their own in that of the run. Returns the seconds that they took, from
    `started` and in earlier sittings.
    """
    assert classifier.tokenizer is not None
    texts = [*data.splits["train"].texts, *data.unlabelled]
    train, validation = (stream(some, classifier.tokenizer) for some in (texts, data.splits["validation"].texts))
    own = own_config(config)
    assert own.bptt is not None
    if len(train) <= own.bptt:
        raise UserError(
            f"--pretraining is {config.pretraining}, and {data.source} has {len(train)} tokens; to learn a language "
            f"from them there must be more than {own.bptt}: leave it out, or give more texts"
        )
    log.info(
        "first the language of %d texts (%d tokens), each read %d times", len(texts), len(train), config.pretraining
    )
    task = pretraining_task(language_model_config(classifier.config), classifier.tokenizer, train, validation, own)
    folder = run.path / LANGUAGE_MODEL
    if RunFolder(folder).checkpoints():
        with RunFolder.reopen(folder) as inner:
            trainer = Trainer(task, own, inner)
            trainer.resume()
            trainer.train()
    else:
        with RunFolder.create(folder, overwrite=True) as inner:
            trainer = Trainer.begin(task, own, inner, started=started)
            trainer.train()
    start_from(BidirectionalLM.from_pretrained(folder), classifier)
    return trainer.clock.seconds


def seconds_of_language(run: RunFolder) -> float:
    """How long the language models of a run learned; 0 where it has none."""
    inner = RunFolder(run.path / LANGUAGE_MODEL)
    return read_state(inner.latest_checkpoint())["seconds"] if inner.checkpoints() else 0.0


def own_config(config: SentimentTraining) -> Pretraining:
    """How the language models of a classifier's texts are trained: as it is itself, where both know an option."""
    assert config.tokenizer is not None
    limit: dict[str, Any] = {"epochs": config.pretraining}
    if config.budget is not None:
        limit = {"budget": MOST_OF_BUDGET * config.budget, "max_epochs": config.pretraining}
    same = (
        *("data", "text_column", "seed", "vocab_size", "min_frequency", "checkpoint_every"),
        *("on_divergence", "backend", "threads"),
    )
    given = {name: value for name in same if (value := getattr(config, name)) is not None}
    return Pretraining(tokenizer=config.tokenizer, keep_checkpoints=1, **limit, **given)


def language_model_config(classifier: SentimentConfig) -> BidirectionalLMConfig:
    """Of the classifier's size."""
    return BidirectionalLMConfig(classifier.vocab_size, **{name: getattr(classifier, name) for name in SHAPE})


def stream(texts: Sequence[str], tokenizer: Tokenizer) -> np.ndarray:
    """The ids of all texts, one after the other, with line ends between them if the tokenizer knows these."""
    line_end = tokenizer.encode("\n")
    return np.concatenate([part for ids in tokenizer.encode_batch(texts) for part in (ids, line_end)])
