"""One run of a variant, by the library's own training, and its figures."""

import time
from statistics import median
from typing import Any

from rnnnlp.batches.seeding import Stream, rng_for
from rnnnlp.errors import UserError
from rnnnlp.config import LARGEST, CharLMConfig
from rnnnlp.text import encode_corpus
from rnnnlp.training.options import char_lm_options
from rnnnlp.training.run import SPLITS, char_lm_task, chosen, corpus_of, prepare, run_folder
from rnnnlp.training.loop import Trainer
from rnnnlp.training.run_folder import RunFolder
from variants.names import Variant, build, products


class TimedTrainer(Trainer):
    """Knows how long each step took."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.step_seconds: list[float] = []

    def step(self, *arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        result = super().step(*arguments, **options)
        self.step_seconds.append(time.perf_counter() - started)
        return result


def train(variant: Variant, given: dict[str, Any]) -> dict[str, Any]:
    """Trains with the options of `variant` and, before those, the ones `given`; returns the figures of the run."""
    started = time.monotonic()
    options = variant.options | given
    config, model_options = char_lm_options({"validation_tokens": LARGEST} | options, "options")
    config = prepare(config)
    CharLMConfig(vocab_size=1, **model_options)  # refuses bad values before the data are read
    encoded = encode_corpus(corpus_of(config), config.tokenizer, splits=SPLITS, **config.vocabulary_options)
    config, model_config = chosen(config, model_options, encoded)
    model = build(variant, model_config, encoded.tokenizer, rng=rng_for(config.seed, Stream.WEIGHTS))
    task = char_lm_task(model, encoded, config)
    task.sample = lambda: None  # type: ignore[method-assign]  # text is written by native steps of known cells only
    task.batches.__class__ = variant.batches  # which differs in what it does, not in what it holds
    task.batches.seek(task.batches.position)
    with run_folder(None) as folder, RunFolder.create(folder, overwrite=False) as run:
        model.save_config(run.path)
        trainer = TimedTrainer(task, config, run, started=started)
        trainer.train()
    if not trainer.step_seconds:
        raise UserError(f"--budget is {config.budget:g} seconds, over before the first step; give more time")
    total, by_step = products(model)
    return {
        "options": options,
        "steps": trainer.clock.step,
        "step_seconds": median(trainer.step_seconds),
        "seconds": sum(trainer.step_seconds),
        "seconds_with_evaluations": trainer.clock.seconds,
        "validation": trainer.best_metrics["nats_per_char"],
        "parameters": sum(p.value.size for p in model.parameters().values()),
        "products": total,
        "products_by_step": by_step,
    }
