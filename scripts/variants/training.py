"""One run of a variant by the library's own training loop, and its figures."""

import time
from collections.abc import Mapping
from statistics import median
from typing import Any

import numpy as np

from rnnnlp.batches.seeding import RandomStream, rng_for
from rnnnlp.config import LARGEST_INTEGER
from rnnnlp.errors import UserError, option
from rnnnlp.tasks.char_lm.config import CharLMTraining
from rnnnlp.tasks.char_lm.defaults import resolve
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.char_lm.objective import CharLMObjective
from rnnnlp.tasks.char_lm.task import TASK
from rnnnlp.tasks.language_modelling import corpus_of, digests_of_corpus, train_and_validation
from rnnnlp.text import EncodedCorpus, encode_corpus
from rnnnlp.text.sources import TRAINING_SPLITS
from rnnnlp.training.loop import Trainer
from rnnnlp.training.progress import Progress
from rnnnlp.training.run import kept_or_temporary, running, with_limit
from rnnnlp.training.run_folder import RunFolder
from variants.names import Variant, build, multiplications

BASELINE = {
    "cell": "lstm",
    "batch_size": 32,
    "momentum": 0.9,
    "weight_decay": 0.0,
}  # what the variants are compared with


class TimedTrainer(Trainer):
    """Measures how long each step takes."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.step_seconds: list[float] = []

    def advance(self, progress: Progress) -> None:
        started = time.perf_counter()
        super().advance(progress)
        self.step_seconds.append(time.perf_counter() - started)


class VariantObjective(CharLMObjective):
    """The objective of a character model with the batches of a variant."""

    def __init__(self, network: CharLMNetwork, encoded: EncodedCorpus, config: CharLMTraining, variant: Variant):
        train, validation = train_and_validation(encoded)
        super().__init__(
            network, train, validation, encoded.characters["validation"], config, digests_of_corpus(encoded)
        )
        self.batches = variant.batches(
            train,
            batch_size=config.batch_size,
            bptt=config.bptt,
            seed=config.seed,
            shuffled_block=config.shuffle_blocks,
        )

    def sample(self) -> str | None:
        return None  # decoders generate with the library's own cells only


def train(variant: Variant, given: Mapping[str, Any]) -> dict[str, Any]:
    """Trains a variant and returns the figures of the run.

    Args:
        variant: What to train.
        given: Options of `rnnnlp train charlm`; they take precedence over those of the variant.
    """
    started = time.monotonic()
    values = {**variant.options, **given}
    options = TASK.options_from({"validation_tokens": LARGEST_INTEGER, **BASELINE, **values})
    training = with_limit(options.training)
    with running(training.backend, training.threads):
        encoded = encode_corpus(
            corpus_of(training), training.tokenizer, splits=TRAINING_SPLITS, **training.vocabulary_options
        )
        config, network_config = resolve(
            training,
            options.network,
            vocab_size=encoded.tokenizer.vocab_size,
            tokens=len(encoded.ids["train"]),
            validation_tokens=min(len(encoded.ids["validation"]), training.validation_tokens),
        )
        rng: np.random.Generator = rng_for(config.seed, RandomStream.WEIGHTS)
        network = build(variant, network_config, encoded.tokenizer, rng=rng)
        with kept_or_temporary(None) as folder, RunFolder.create(folder, overwrite=False) as run:
            objective = VariantObjective(network, encoded, config, variant)
            network.save_config(run.path, training=config.to_mapping())
            trainer = TimedTrainer(objective, config, run, started=started)
            trainer.train()
    if not trainer.step_seconds:
        raise UserError(f"{option('budget')} is {config.budget:g} seconds, over before the first step; give more time")
    total, sequential = multiplications(network)
    return {
        "options": values,
        "steps": trainer.clock.step,
        "step_seconds": median(trainer.step_seconds),
        "seconds": trainer.clock.seconds,
        "validation": trainer.state.best_metrics["nats_per_char"],
        "parameters": sum(p.value.size for p in network.parameters().values()),
        "multiplications": total,
        "sequential_multiplications": sequential,
    }
