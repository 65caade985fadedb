"""Beginning and reopening a training run of a character language model."""

import numpy as np

from rnnnlp.batches.seeding import Stream, rng_for
from rnnnlp.tasks.char_lm.config import FROM_RUN, CharLMOptions, CharLMTraining
from rnnnlp.tasks.char_lm.defaults import resolve
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.char_lm.objective import CharLMObjective
from rnnnlp.tasks.char_lm.transfer import options_from_run, start_from, with_new_characters
from rnnnlp.tasks.language_modelling import SPLITS, digests_of_corpus, train_and_validation
from rnnnlp.text import Corpus, EncodedCorpus, encode_corpus, load_corpus
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
    corpus = data or corpus_of(training)

    def encode() -> EncodedCorpus:
        if earlier is None:
            return encode_corpus(corpus, training.tokenizer, splits=SPLITS, **training.vocabulary_options)
        return encode_corpus(corpus, with_new_characters(earlier.tokenizer, corpus), splits=SPLITS)

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
    rng = rng_for(config.seed, Stream.WEIGHTS)
    if earlier is None:
        network = CharLMNetwork(network_config, encoded.tokenizer, rng=rng)
    else:
        network = start_from(earlier, network_config, encoded.tokenizer, rng=rng)
    return Trainer.begin(objective(network, encoded, train, validation, config), config, run, started=started)


def reopen(network: CharLMNetwork, config: CharLMTraining, run: RunFolder, *, data: Corpus | None) -> Trainer:
    """The trainer of a run that is resumed from its newest checkpoint."""
    corpus = data or corpus_of(config)
    encoded = processes().once_a_host(lambda: encode_corpus(corpus, network.tokenizer, splits=SPLITS))
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
    """Refuses what the run of `from_` decides."""
    require_open(options, FROM_RUN)


def corpus_of(options: CharLMOptions) -> Corpus:
    reading = options.reading.for_tokenizer(options.tokenizer)
    return load_corpus(options.data, reading, document_separator=options.document_separator)
