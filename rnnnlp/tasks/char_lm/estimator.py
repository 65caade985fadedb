"""The public class of character language models."""

import codecs
import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Self

import numpy as np

from rnnnlp.config import as_given
from rnnnlp.errors import UserError
from rnnnlp.tasks.char_lm.evaluate import figures_of, warn_of_words
from rnnnlp.tasks.char_lm.generate import Sampling, generate
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.char_lm.task import TASK
from rnnnlp.tasks.language_modelling import (
    LanguageModelEstimator,
    corpus_given_again,
    given_corpus,
    language_model_loss,
)
from rnnnlp.training.reporting import Callback


class CharLM(LanguageModelEstimator):
    """A character language model: trains on any text, and generates text.

    Args:
        options: Those of `rnnnlp train charlm`, with underscores, such as `budget="3m"` or `hidden_size=256`.

    Attributes:
        network_: The trained network.

    Example:
        >>> model = CharLM(budget="3m").fit("book.txt")
        >>> print(model.generate("It was", length=300, temperature=0.7, seed=1))
    """

    task = TASK
    network_: CharLMNetwork
    _loss = "nats_per_char"

    def fit(
        self,
        data: Any,
        y: None = None,
        *,
        validation_data: Any = None,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Trains a new model.

        Args:
            data: A path, a Hub name or a built-in data set, as `--data` takes it; or texts in any container; or an open
                file, whose whole content is one text.
            y: Nothing; scikit-learn passes it.
            validation_data: Texts to validate on, beside texts; by default the last tenth of the characters.
            out: A new folder that keeps the run.
            overwrite: Whether to replace a run that is in `out`.
            callbacks: Receive the figures of the training, like the trackers of `report_to`: see `Callback`.

        Returns:
            This object, trained.

        Raises:
            UserError: For a mistake in options or data.
            KeyboardInterrupt: After Ctrl-C. The object then has the best weights so far, if there are any.
        """
        corpus, name = given_corpus(data, validation_data, column=self.text_column, separator=self.document_separator)
        return self._train(name, corpus, out, overwrite, callbacks)

    @classmethod
    def resume(
        cls,
        folder: str | os.PathLike[str],
        data: Any = None,
        *,
        validation_data: Any = None,
        callbacks: Sequence[Callback] = (),
        **changes: Any,
    ) -> Self:
        """Continues the run in a folder, because it was interrupted or is to train longer.

        Args:
            folder: The run folder, the `out` of `fit` or of the command line.
            data: The same data as before, if they are somewhere else now, or were given as texts.
            validation_data: The same as before, beside texts.
            callbacks: As for `fit`.
            changes: Options that change: `epochs`, `steps` or `budget` is the new limit in all, and
                `budget="+10m"` adds to what the run has had.

        Returns:
            A new object with the trained model.

        Raises:
            UserError: If there is no such run, the data are others, or an option cannot change.
            TypeError: For an unknown option.
        """
        if data is None and validation_data is None:
            return cls._resume(folder, changes, callbacks=callbacks)
        corpus, name = corpus_given_again(folder, data, validation_data)
        return cls._resume(folder, changes if corpus else {**changes, "data": name}, corpus, callbacks)

    def generate(
        self, prompt: str | None = "", *, seed: int | None = None, errors: str = "replace", **sampling: Any
    ) -> str:
        """Text that follows a prompt.

        Args:
            prompt: The text to continue.
            seed: The same seed gives the same text; None gives another one each time.
            errors: What becomes of bytes of a byte tokenizer that are not UTF-8, as in `bytes.decode`. With
                "surrogateescape", `text.encode("utf-8", "surrogateescape")` gives the bytes.
            sampling: How tokens are chosen. `length` (default: 500) is the maximum number of tokens; `temperature`
                (0.8) makes the text more predictable below 1, and 0 always takes the most probable token; `top_k` (0:
                all) and `top_p` (1.0) sample from the k most probable tokens, or from the fewest that together have
                this probability; `repetition_penalty` (1.0) above 1 makes the last `repetition_window` (64) tokens less
                probable; `stop` has strings before which the text ends.

        Returns:
            The text after the prompt, without the prompt. It has at most `length` tokens.

        Raises:
            UserError: For a value that an option cannot have.
            TypeError: For an unknown option.
            NotFittedError: Before `fit`.
            UnicodeDecodeError: With `errors="strict"`, for bytes that are not UTF-8.
        """
        network = self._fitted()
        if not isinstance(prompt := prompt or "", str):
            raise UserError(f"prompt is {prompt!r}; it must be a string")
        if seed is not None and as_given(int, seed, "seed") < 0:
            raise UserError(f"seed is {seed}; it must be at least 0")
        try:
            codecs.lookup_error(errors)
        except LookupError:
            raise UserError(f"errors is {errors!r}; it must be as for bytes.decode, such as 'replace'") from None
        self._require_known(sampling, [f.name for f in fields(Sampling)])
        rng = np.random.default_rng(None if seed is None else int(seed))
        with self._kernels():
            return "".join(generate(network, prompt, Sampling(**sampling), rng=rng, errors=errors))

    def _figures(self, ids: np.ndarray, characters: int) -> dict[str, Any]:
        warn_of_words(self.network_.tokenizer)
        figures = figures_of(*language_model_loss(self.network_, ids), characters)
        del figures["sums"]
        return figures
