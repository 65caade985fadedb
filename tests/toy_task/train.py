"""Beginning and reopening a run of the toy task."""

from typing import Any

from rnnnlp.batches.seeding import RandomStream, rng_for
from rnnnlp.text import encode_corpus, load_corpus
from rnnnlp.training.loop import Trainer
from rnnnlp.training.run_folder import RunFolder
from rnnnlp.training.task import Options
from tests.toy_task.config import ToyConfig, ToyOptions, ToyTraining
from tests.toy_task.network import ToyNetwork
from tests.toy_task.objective import ToyObjective

SPLITS = ("train", "validation")


def begin(options: Options[ToyOptions], run: RunFolder, *, data: Any, started: float) -> Trainer:
    config = ToyTraining(**options.training.to_mapping())
    encoded = encode_corpus(data or load_corpus(config.data), config.tokenizer, splits=SPLITS)
    network_config = ToyConfig(encoded.tokenizer.vocab_size, **options.network)
    network = ToyNetwork(network_config, encoded.tokenizer, rng=rng_for(config.seed, RandomStream.WEIGHTS))
    objective = ToyObjective(network, *(encoded.ids[split] for split in SPLITS), config)
    return Trainer.begin(objective, config, run, started=started)


def reopen(network: ToyNetwork, config: ToyTraining, run: RunFolder, *, data: Any) -> Trainer:
    encoded = encode_corpus(data or load_corpus(config.data), network.tokenizer, splits=SPLITS)
    trainer = Trainer(ToyObjective(network, *(encoded.ids[split] for split in SPLITS), config), config, run)
    trainer.resume()
    return trainer
