"""Beginning and reopening a training run of word language models."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnnlp.batches.seeding import RandomStream, rng_for
from rnnnlp.tasks.language_modelling import corpus_of, digests_of_corpus, train_and_validation
from rnnnlp.tasks.word_lm.config import FROM_RUN, WordLMConfig, WordLMOptions, WordLMTraining
from rnnnlp.tasks.word_lm.network import WordLMNetwork
from rnnnlp.tasks.word_lm.objective import WordLMObjective
from rnnnlp.text import Corpus, EncodedCorpus, Tokenizer, encode_corpus
from rnnnlp.text.sources import TRAINING_SPLITS
from rnnnlp.training.distributed import processes
from rnnnlp.training.loop import Trainer
from rnnnlp.training.run_folder import RunFolder
from rnnnlp.training.task import Options, require_open


def begin(options: Options[WordLMOptions], run: RunFolder, *, data: Corpus | None, started: float) -> Trainer:
    """The trainer of a new run on `data`, or on what the options name."""
    config = resolve(options.training)
    if config.from_ is not None:
        start = config.from_
        earlier = processes().first(lambda: WordLMNetwork.from_pretrained(start))
        config = config.changed(tokenizer=earlier.tokenizer.kind, vocab_size=earlier.tokenizer.vocab_size)
        network = earlier.copy(**options.network)
        encoded = encoded_once(config, data, earlier.tokenizer)
        return Trainer.begin(
            WordLMObjective(network, *train_and_validation(encoded), config, digests_of_corpus(encoded)),
            config,
            run,
            started=started,
        )
    encoded = encoded_once(config, data, config.tokenizer, **config.vocabulary_options)
    network_config = WordLMConfig(encoded.tokenizer.vocab_size, **options.network)
    train, validation = train_and_validation(encoded)
    objective = new_objective(network_config, encoded.tokenizer, train, validation, config, digests_of_corpus(encoded))
    return Trainer.begin(objective, config, run, started=started)


def reopen(network: WordLMNetwork, config: WordLMTraining, run: RunFolder, *, data: Corpus | None) -> Trainer:
    """The trainer of a run that is resumed from its newest checkpoint."""
    encoded = encoded_once(config, data, network.tokenizer)
    objective = WordLMObjective(network, *train_and_validation(encoded), config, digests_of_corpus(encoded))
    trainer = Trainer(objective, config, run)
    trainer.resume()
    return trainer


def encoded_once(
    config: WordLMTraining, data: Corpus | None, tokenizer: Tokenizer | str, **options: Any
) -> EncodedCorpus:
    """The ids of the splits that training reads, which one process of each host writes into its cache."""
    corpus = corpus_of(config, data, unlabelled=True)
    return processes().once_a_host(lambda: encode_corpus(corpus, tokenizer, splits=TRAINING_SPLITS, **options))


def resolve(options: WordLMOptions) -> WordLMTraining:
    """The configuration of a run; nothing is chosen from data or time."""
    return WordLMTraining.from_mapping(options.to_mapping())


def new_objective(
    config: WordLMConfig,
    tokenizer: Tokenizer,
    train: np.ndarray,
    validation: np.ndarray,
    training: WordLMTraining,
    digests: Mapping[str, str],
) -> WordLMObjective:
    """A new network, and the objective that trains it on the ids `train (length,)`."""
    network = WordLMNetwork(config, tokenizer, rng=rng_for(training.seed, RandomStream.WEIGHTS))
    objective = WordLMObjective(network, train, validation, training, digests)
    network.output.bias.value[...] = np.log(objective.sampler.share)  # known without training
    return objective


def check(options: Options[WordLMOptions]) -> None:
    """Refuses what the run of `from_` decides."""
    require_open(options, FROM_RUN)
