"""Beginning and reopening a training run of a character language model."""

import numpy as np

from rnnnlp.batches.seeding import RandomStream, rng_for
from rnnnlp.errors import UserError, option
from rnnnlp.tasks.char_lm.config import FROM_RUN, PRESETS, CharLMOptions, CharLMTraining
from rnnnlp.tasks.char_lm.defaults import resolve
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.char_lm.objective import CharLMObjective
from rnnnlp.tasks.char_lm.transfer import options_from_run, start_from, with_new_characters
from rnnnlp.tasks.language_modelling import corpus_of, digests_of_corpus, train_and_validation
from rnnnlp.text import Corpus, EncodedCorpus, encode_corpus
from rnnnlp.text.sources import TRAINING_SPLITS
from rnnnlp.training.distributed import processes
from rnnnlp.training.loop import Trainer
from rnnnlp.training.run_folder import RunFolder
from rnnnlp.training.task import Options, require_open


def begin(options: Options[CharLMOptions], run: RunFolder, *, data: Corpus | None, started: float) -> Trainer:
    """The trainer of a new run on `data`, or on what the options name."""
    training = options.training
    earlier, given = None, options.network
    if (start := training.from_) is not None:
        earlier = processes().first(lambda: CharLMNetwork.from_pretrained(start))
        training, given = options_from_run(earlier, training, given)
    corpus = corpus_of(training, data)

    def encode() -> EncodedCorpus:
        if earlier is None:
            return encode_corpus(corpus, training.tokenizer, splits=TRAINING_SPLITS, **training.vocabulary_options)
        return encode_corpus(corpus, with_new_characters(earlier.tokenizer, corpus), splits=TRAINING_SPLITS)

    encoded = processes().once_a_host(encode)
    train, validation = train_and_validation(encoded)
    size = processes().size
    config, network_config = processes().first(
        lambda: resolve(
            training,
            given,
            vocab_size=encoded.tokenizer.vocab_size,
            tokens=len(train),
            validation_tokens=min(len(validation), training.validation_tokens),
            processes=size,
        )
    )
    rng = rng_for(config.seed, RandomStream.WEIGHTS)
    if earlier is None:
        network = CharLMNetwork(network_config, encoded.tokenizer, rng=rng)
    else:
        network = start_from(earlier, network_config, encoded.tokenizer, rng=rng)
    return Trainer.begin(objective(network, encoded, train, validation, config), config, run, started=started)


def reopen(network: CharLMNetwork, config: CharLMTraining, run: RunFolder, *, data: Corpus | None) -> Trainer:
    """The trainer of a run that is resumed from its newest checkpoint."""
    corpus = corpus_of(config, data)
    encoded = processes().once_a_host(lambda: encode_corpus(corpus, network.tokenizer, splits=TRAINING_SPLITS))
    trainer = Trainer(objective(network, encoded, *train_and_validation(encoded), config), config, run)
    trainer.resume()
    return trainer


def objective(
    network: CharLMNetwork,
    encoded: EncodedCorpus,
    train: np.ndarray,
    validation: np.ndarray,
    config: CharLMTraining,
) -> CharLMObjective:
    """The objective of a run on the ids `(length,)` of the two splits."""
    characters, digests = encoded.characters["validation"], digests_of_corpus(encoded)
    return CharLMObjective(network, train, validation, characters, config, digests)


def check(options: Options[CharLMOptions]) -> None:
    """Refuses what the run of `from_` decides, and two sizes for tied weights."""
    require_open(options, FROM_RUN)
    given, preset = options.network, PRESETS.get(options.training.preset)
    if preset is None or not given.get("tied_weights") or "hidden_size" in given:
        return
    if (size := given.get("embedding_size", preset.hidden_size)) != preset.hidden_size:
        raise UserError(
            f"{option('embedding_size')} is {size} with {option('tied_weights')}, and {option('preset')} "
            f"{options.training.preset} has {option('hidden_size')} {preset.hidden_size}; leave out one of them"
        )
