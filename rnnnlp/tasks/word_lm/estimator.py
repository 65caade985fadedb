"""The public class of word language models."""

import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from rnnnlp.tasks.language_modelling import LanguageModelEstimator, corpus_given_again, given_corpus
from rnnnlp.tasks.word_lm.evaluate import word_lm_metrics
from rnnnlp.tasks.word_lm.network import WordLMNetwork
from rnnnlp.tasks.word_lm.task import TASK
from rnnnlp.training.reporting import Callback


class WordLM(LanguageModelEstimator):
    """Word language models in both directions: language-model pretraining on texts without labels.

    `SentimentClassifier(from_=folder)` starts from a run of it.

    Args:
        options: Those of `rnnnlp pretrain`, with underscores, such as `budget="10m"` or `hidden_size=256`.

    Attributes:
        network_: The trained network.
    """

    task = TASK
    network_: WordLMNetwork
    _loss, _unlabelled = "loss", True

    def fit(
        self,
        data: Any,
        y: None = None,
        *,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Trains new models; labels, if the data have any, are not read.

        Args:
            data: A path, a Hub name or a built-in data set, as `--data` takes it; or texts in any container; or an open
                file, whose whole content is one text.
            y: Nothing; scikit-learn passes it.
            out: A new folder that keeps the run.
            overwrite: Whether to replace a run that is in `out`.
            callbacks: Receive the figures of the training, like the trackers of `report_to`: see `Callback`.

        Returns:
            This object, trained.

        Raises:
            UserError: For a mistake in options or data.
            KeyboardInterrupt: After Ctrl-C. The object then has the best weights so far, if there are any.
        """
        corpus, name = given_corpus(data, column=self.text_column, separator=self.document_separator)
        return self._train(name, corpus, out, overwrite, callbacks)

    @classmethod
    def resume(
        cls, folder: str | os.PathLike[str], data: Any = None, *, callbacks: Sequence[Callback] = (), **changes: Any
    ) -> Self:
        """Continues the run in a folder, because it was interrupted or is to train longer.

        Args:
            folder: The run folder, the `out` of `fit` or of the command line.
            data: The same data as before, if they are somewhere else now, or were given as texts.
            callbacks: As for `fit`.
            changes: Options that change: `epochs`, `steps` or `budget` is the new limit in all, and
                `budget="+10m"` adds to what the run has had.

        Returns:
            A new object with the trained model.

        Raises:
            UserError: If there is no such run, the data are others, or an option cannot change.
            TypeError: For an unknown option.
        """
        if data is None:
            return cls._resume(folder, changes, callbacks=callbacks)
        corpus, name = corpus_given_again(folder, data)
        return cls._resume(folder, changes if corpus else {**changes, "data": name}, corpus, callbacks)

    def _figures(self, ids: np.ndarray, characters: int) -> dict[str, Any]:
        return word_lm_metrics(self.network_, ids)
