"""The public class of word language models."""

import os
from typing import Any, Self

from rnnnlp.tasks.word_lm.network import WordLMNetwork
from rnnnlp.tasks.word_lm.task import TASK
from rnnnlp.text import Corpus
from rnnnlp.text.given import GivenTexts, as_texts, without_missing
from rnnnlp.text.sources import GIVEN
from rnnnlp.training.estimator import Estimator
from rnnnlp.training.run import run_folder, train, training_of


class WordLM(Estimator):
    """Word language models in both directions: language-model pretraining on texts without labels.

    `SentimentClassifier(from_=folder)` starts from a run of it.

    Args:
        options: Those of `rnnnlp pretrain`, with underscores, such as `budget="10m"` or `hidden_size=256`.

    Attributes:
        network_: The trained network.
    """

    task = TASK
    network_: WordLMNetwork

    def fit(self, data: Any, *, out: str | os.PathLike[str] | None = None, overwrite: bool = False) -> Self:
        """Trains new models; labels, if the data have any, are not read.

        Args:
            data: A path, a Hub name or a built-in data set, as `--data` takes it; or texts in any container.
            out: A new folder that keeps the run.
            overwrite: Whether to replace a run that is in `out`.

        Raises:
            UserError: For a mistake in options or data.
        """
        corpus = None
        if not isinstance(data, str | os.PathLike):
            corpus = Corpus(GIVEN, {"train": (GivenTexts(without_missing(as_texts(data, "data"), "data")),)})
        with run_folder(out) as folder:
            options = self._options(GIVEN if corpus else os.fspath(data))
            network = train(self.task, options, folder, overwrite=overwrite, data=corpus)
            return self._take_over(network, training_of(folder))

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes the models into a folder, from which `from_pretrained` reads them."""
        self._fitted().save_pretrained(folder, training=self.training_)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """The models in a folder that `save_pretrained` or a training run wrote.

        Raises:
            UserError: If there are none, or they are damaged.
        """
        return cls._of_run(WordLMNetwork.from_pretrained(folder), training_of(folder))
