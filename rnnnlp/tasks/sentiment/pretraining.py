"""Language-model pretraining as the first part of a classifier's run, on the classifier's own texts."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.tasks.language_modelling import digests_of_ids
from rnnnlp.tasks.sentiment.config import SHAPE, SentimentConfig, SentimentOptions, SentimentTraining
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.transfer import start_from
from rnnnlp.tasks.word_lm.config import WordLMConfig, WordLMTraining
from rnnnlp.tasks.word_lm.network import WordLMNetwork
from rnnnlp.tasks.word_lm.objective import WordLMObjective
from rnnnlp.tasks.word_lm.train import new_objective
from rnnnlp.text import LabelledData, Tokenizer
from rnnnlp.text.labelled import HELD_OUT
from rnnnlp.training.distributed import processes
from rnnnlp.training.loop import Trainer
from rnnnlp.training.model_folder import training_of
from rnnnlp.training.run_folder import RunFolder

MAX_SHARE_OF_BUDGET = 0.6  # however slow the machine has become

log = logging.getLogger(__name__)


def prepare(classifier: SentimentNetwork, data: LabelledData, config: SentimentTraining) -> WordLMObjective:
    """New language models for the texts of a classifier, and what trains them.

    Raises:
        UserError: If there are too few texts.
    """
    labelled, validation_texts = data.splits["train"].texts, data.splits["validation"].texts
    if not validation_texts:  # as with cross-validation
        every = round(1 / HELD_OUT)
        labelled, validation_texts = [text for k, text in enumerate(labelled) if k % every], labelled[::every]
    texts = [*labelled, *data.unlabelled]
    train, validation = (stream(part, classifier.tokenizer) for part in (texts, validation_texts))
    own = pretraining_config(config, config.pretraining)
    if len(train) <= own.bptt:
        raise UserError(
            f"{option('pretraining')} is {config.pretraining}, and {data.source} has {len(train)} tokens; to pretrain "
            f"a language model there must be more than {own.bptt}: leave it out, or give more texts"
        )
    log.info("pretraining on %d texts (%d tokens), %d epochs", len(texts), len(train), config.pretraining)
    digests = digests_of_ids(train, validation)
    return new_objective(word_lm_config(classifier.config), classifier.tokenizer, train, validation, own, digests)


def pretrain(
    classifier: SentimentNetwork,
    objective: WordLMObjective,
    config: SentimentTraining,
    run: RunFolder,
    *,
    started: float,
) -> float:
    """Pretrains the language models, or resumes that, and lets `classifier` start from them.

    The language models have a folder of their own inside that of the run.

    Returns:
        The seconds that they took, from `started` and in earlier sessions.
    """
    folder, own = run.language_model().path, pretraining_config(config, config.pretraining)
    if processes().first(RunFolder(folder).checkpoints):
        with RunFolder.reopen(folder) as inner:
            before = processes().first(lambda: WordLMTraining.from_mapping(training_of(inner.path), str(folder)))
            trainer = Trainer(objective, before, inner)
            trainer.resume()
            if not trainer.clock.over and before != own:  # what is done stays done, whatever limits the run has now
                trainer = Trainer(objective, own, inner)
                trainer.resume()
            trainer.train()
    else:
        with RunFolder.create(folder, overwrite=True) as inner:
            trainer = Trainer.begin(objective, own, inner, started=started)
            trainer.train()
    start_from(processes().first(lambda: WordLMNetwork.from_pretrained(folder)), classifier)
    return trainer.clock.seconds


def pretraining_config(options: SentimentOptions, epochs: int) -> WordLMTraining:
    """How the language models of a classifier's texts are trained: like the classifier, where both have an option."""
    limit: dict[str, Any] = {"epochs": epochs}
    if options.budget is not None:
        limit = {"budget": MAX_SHARE_OF_BUDGET * options.budget, "max_epochs": epochs}
    same = (
        *("data", "text_column", "encoding", "quoting", "seed", "tokenizer", "vocab_size", "min_frequency"),
        *("shards", "sync_every", "wire", "checkpoint_every", "on_divergence", "backend", "threads"),
    )
    given = {name: value for name in same if (value := getattr(options, name)) is not None}
    return WordLMTraining(keep_checkpoints=1, **limit, **given)


def word_lm_config(classifier: SentimentConfig) -> WordLMConfig:
    """Language models of the classifier's size."""
    return WordLMConfig(classifier.vocab_size, **{name: getattr(classifier, name) for name in SHAPE})


def stream(texts: Sequence[str], tokenizer: Tokenizer) -> np.ndarray:
    """The ids of all texts, one after the other, with line ends between them if the tokenizer knows these."""
    line_end = tokenizer.encode("\n")
    return np.concatenate([part for ids in tokenizer.encode_batch(map(str.strip, texts)) for part in (ids, line_end)])
