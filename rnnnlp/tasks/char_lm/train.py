"""Beginning and reopening a training run of a character language model."""

from rnnnlp.batches.seeding import Stream, rng_for
from rnnnlp.tasks.char_lm.config import CharLMOptions, CharLMTraining
from rnnnlp.tasks.char_lm.defaults import resolve
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.char_lm.objective import CharLMObjective
from rnnnlp.tasks.language_modelling import SPLITS, train_and_validation
from rnnnlp.text import Corpus, EncodedCorpus, encode_corpus, load_corpus
from rnnnlp.training.loop import Trainer
from rnnnlp.training.run_folder import RunFolder
from rnnnlp.training.task import Options


def begin(options: Options[CharLMOptions], run: RunFolder, *, data: Corpus | None, started: float) -> Trainer:
    """The trainer of a new run on `data`, or on what the options name."""
    training = options.training
    corpus = data or corpus_of(training)
    encoded = encode_corpus(corpus, training.tokenizer, splits=SPLITS, **training.vocabulary_options)
    config, network_config = resolve(
        training,
        options.network,
        vocab_size=encoded.tokenizer.vocab_size,
        tokens=len(encoded.ids["train"]),
        validation_tokens=min(len(encoded.ids["validation"]), training.validation_tokens),
    )
    network = CharLMNetwork(network_config, encoded.tokenizer, rng=rng_for(config.seed, Stream.WEIGHTS))
    return Trainer.begin(objective(network, encoded, config), config, run, started=started)


def reopen(network: CharLMNetwork, config: CharLMTraining, run: RunFolder, *, data: Corpus | None) -> Trainer:
    """The trainer of a run that is resumed from its newest checkpoint."""
    encoded = encode_corpus(data or corpus_of(config), network.tokenizer, splits=SPLITS)
    trainer = Trainer(objective(network, encoded, config), config, run)
    trainer.resume()
    return trainer


def objective(network: CharLMNetwork, encoded: EncodedCorpus, config: CharLMTraining) -> CharLMObjective:
    train, validation = train_and_validation(encoded)
    return CharLMObjective(network, train, validation, encoded.characters["validation"], config)


def corpus_of(options: CharLMOptions) -> Corpus:
    reading = options.reading.for_tokenizer(options.tokenizer)
    return load_corpus(options.data, reading, document_separator=options.document_separator)
