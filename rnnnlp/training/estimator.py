"""What the public classes share: options in the constructor, and scikit-learn's contract without scikit-learn."""

import difflib
import inspect
import json
import os
import tempfile
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import MISSING, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from rnnnlp import kernels
from rnnnlp.config import Config, describe
from rnnnlp.errors import UserError
from rnnnlp.files import write_atomically
from rnnnlp.training.card import with_quantization
from rnnnlp.training.earlier import RENAMED_OPTIONS
from rnnnlp.training.model_folder import CARD, METRICS, located, replaced_model, training_of
from rnnnlp.training.network import Network
from rnnnlp.training.opened_once import reduced
from rnnnlp.training.push import push
from rnnnlp.training.records import record_of
from rnnnlp.training.reporting import Callback
from rnnnlp.training.run import kept_or_temporary, resume, train
from rnnnlp.training.run_folder import RunFolder, read_state
from rnnnlp.training.signals import kill_exits
from rnnnlp.training.task import Task, network_options

KERNEL_OPTIONS = frozenset(("backend", "threads"))  # options that also apply when a trained model is used
OPTION_SYNONYMS = {  # names of options in other libraries, and their names here
    "random_state": "seed",
    "n_jobs": "threads",
    "learning_rate": "lr",
    "max_iter": "epochs",
    "num_epochs": "epochs",
    "max_new_tokens": "length",
}
DOC_WIDTH = 100  # of the lines of a docstring


class NotFittedError(UserError, AttributeError):
    """The estimator was used before `fit` or `from_pretrained`."""


class Estimator:
    """Options in the constructor, `get_params`, `set_params`; `fit` returns self and may be called again.

    The options have the names of the command line's options, with underscores. An option is None where training
    chooses it from data and time.
    """

    task: ClassVar[Task]
    backend: str | None  # options
    threads: int | None
    text_column: str | None
    tokenizer: str | None
    document_separator: str | None  # of language models
    defaults: ClassVar[dict[str, Any]]  # of each option
    network_: Any  # of the task
    training_: dict[str, Any]  # how it was trained
    card_: str | None  # the model card
    _lines: list[str]  # of `metrics.jsonl`
    _chosen_here: frozenset[str] = frozenset()  # the KERNEL_OPTIONS that were chosen in this process, for it
    _folder: Path | None = None  # of the run, where it is known

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "task" not in vars(cls):
            return
        options, network = cls.task.options, cls.task.network.config_type
        named: list[tuple[type[Config], Any]] = [
            (options, f) for f in fields(options) if f.name not in ("data", *cls.task.leave_out)
        ]
        named += [(network, f) for f in network_options(network)]
        cls.defaults = {
            f.name: None if f.default is MISSING or describe(config, f.name).get("auto") else f.default
            for config, f in named
        }
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter(name, keyword, default=value) for name, value in cls.defaults.items()]
        cls.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        cls.__doc__ = with_options(cls.__doc__ or "", named)

    def __init__(self, **options: Any):
        self._require_known(options, self.defaults)
        for name, default in self.defaults.items():
            setattr(self, name, options.get(name, default))

    @classmethod
    def _require_known(cls, options: Mapping[str, Any], known: Collection[str]) -> None:
        for name in options:
            if name not in known:
                raise TypeError(f"{cls.__name__} has no option {name!r}; {advice_on(name, known)}")

    def _train(
        self,
        data: str,
        loaded: Any,
        out: str | os.PathLike[str] | None,
        overwrite: bool,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Trains on loaded data, or on those of this name, and becomes the estimator of the result.

        If it is interrupted, it becomes that of the best weights so far.
        """
        options = self.task.options_from({"data": data, **self._given()})
        if out is None and "tensorboard" in (options.training.report_to or ""):
            raise UserError("report_to is tensorboard, whose files are in the run folder, and no run is kept; give out")
        self._chosen_here = KERNEL_OPTIONS
        with kill_exits(), kept_or_temporary(out) as folder:
            run = RunFolder(folder)
            before = run.identity()
            try:
                network = train(self.task, options, folder, overwrite=overwrite, data=loaded, callbacks=callbacks)
            except KeyboardInterrupt:
                with suppress(UserError):  # a second interrupt may have left none
                    if run.identity() != before and read_state(run.latest_checkpoint()).step:
                        self._take_over(self.task.network.from_pretrained(run.path), run)
                raise
            return self._take_over(network, run)

    @classmethod
    def _resume(
        cls,
        folder: str | os.PathLike[str],
        changes: dict[str, Any],
        loaded: Any = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Continues the run in a folder, and gives the estimator of the result."""
        known = {**cls.defaults, "data": None}
        cls._require_known(changes, known)
        with kill_exits():
            network = resume(cls.task, folder, changes, data=loaded, callbacks=callbacks)
        resumed = cls._of_run(network, RunFolder(folder))
        resumed._chosen_here = KERNEL_OPTIONS
        return resumed

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """The model in a folder that `save_pretrained` or a training run wrote.

        Args:
            folder: The folder, or the name of a model on the Hub: "owner/name" or "owner/name@revision".

        Returns:
            A new object with that model and its options.

        Raises:
            UserError: If there is none, or it is damaged.
        """
        place = located(folder)
        return cls._of_run(cls.task.network.from_pretrained(place), RunFolder(place))

    @classmethod
    def _of_run(cls, network: Network, run: RunFolder) -> Self:
        """The estimator of a trained network, with the options that the run was made with, so that it fits again."""
        training = training_of(run.path)
        if not training:
            return cls()._take_over(network, run)
        config: Any = cls.task.training.from_mapping(training, "the run")
        values = network.config.to_mapping() | config.to_mapping()
        chosen = {"folds"} if values.get("budget") else set()  # for those texts, not for others
        left_open = {*config.inherited, *chosen}
        given = {n: v for n, v in values.items() if n in cls.defaults and n not in left_open and v is not None}
        return cls(**given)._take_over(network, run)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The options by name, as scikit-learn asks for them; `deep` changes nothing."""
        return {name: getattr(self, name) for name in self.defaults}

    def set_params(self, **options: Any) -> Self:
        """Changes options. They take effect at the next `fit`; `backend` and `threads` at once.

        Args:
            options: New values by name.

        Returns:
            This object.

        Raises:
            ValueError: For an unknown option, as scikit-learn does.
        """
        try:
            self._require_known(options, self.defaults)
        except TypeError as error:
            raise ValueError(str(error)) from None  # what scikit-learn raises for its own estimators
        for name, value in options.items():
            setattr(self, name, value)
        self._chosen_here |= KERNEL_OPTIONS.intersection(options)
        return self

    def __repr__(self) -> str:
        given = (f"{name}={value!r}" for name, value in self._given().items())
        return f"{type(self).__name__}({', '.join(given)})"

    def _given(self) -> dict[str, Any]:
        """The options that are not left at their defaults; an array never is one, and cannot be compared with one."""
        params, default = self.get_params().items(), self.defaults
        return {n: v for n, v in params if v is not None and (getattr(v, "ndim", 0) > 0 or v != default[n])}

    def __reduce_ex__(self, protocol: Any) -> Any:
        return reduced(self) or super().__reduce_ex__(protocol)

    def __getstate__(self) -> dict[str, Any]:
        left_out = {"_chosen_here", "_shared_place", "_folder"} | ({"history_"} if "_lines" in vars(self) else set())
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    @contextmanager
    def _kernels(self) -> Iterator[None]:
        """Runs what is inside with the backend and threads that were chosen here; those of the process otherwise."""
        backend = self.backend if "backend" in self._chosen_here else None
        threads = self.threads if "threads" in self._chosen_here else None
        if backend in (None, "auto") and threads is None:
            yield
        else:
            with kernels.running(backend, threads):
                yield

    def _fitted(self) -> Any:
        """The trained network; NotFittedError where there is none."""
        if not hasattr(self, "network_"):
            name = type(self).__name__
            raise NotFittedError(f"this {name} is not fitted yet; call fit first, or {name}.from_pretrained(folder)")
        return self.network_

    @cached_property
    def history_(self) -> list[dict[str, Any]]:
        """The losses and evaluations of the training: the lines of `metrics.jsonl`, read when first asked for.

        Raises:
            NotFittedError: Before `fit`.
        """
        self._fitted()
        return [record for line in self._lines if (record := record_of(line)) is not None]

    def with_network(self, network: Any) -> Self:
        """Becomes the estimator of a network that no run of this library trained; returns self."""
        self.network_, self.training_, self._lines, self.card_, self._folder = network, {}, [], None, None
        vars(self).pop("history_", None)  # of an earlier training
        return self

    def _take_over(self, network: Any, run: RunFolder) -> Self:
        """Becomes the estimator of a trained network; `run` is the folder that has it."""
        self.network_, self.training_, self._lines = network, training_of(run.path), run.metrics_lines()
        vars(self).pop("history_", None)  # of an earlier training
        self.card_, self._folder = run.card(), run.path
        return self

    def save_pretrained(self, folder: str | os.PathLike[str], *, quantize: str | None = None) -> None:
        """Writes the model into a folder, from which `from_pretrained` reads it, with its model card and its figures.

        An existing model is kept until the new one is complete.

        Args:
            folder: The folder; it is made if it is not there.
            quantize: "int8" rounds the weights to int8: about a quarter of the size. None writes float32.

        Raises:
            UserError: If it cannot be written, has files of these names that do not belong to a model, or has
                checkpoints and the weights are to be int8; or if `quantize` has
                another value than these two.
            NotFittedError: Before `fit`.
        """
        network = self._fitted()
        card = self.card_ if quantize is None else with_quantization(self.card_ or f"# {self.task.title}\n")
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in self.history_)
        with replaced_model(folder, quantize=quantize) as new:
            network.write(new, training=self.training_, quantize=quantize)
            for name, content in ((CARD, card), (METRICS, lines)):
                if content:
                    write_atomically(new / name, content.encode("utf-8", "replace"), sync=False)

    def push_to_hub(
        self,
        repo: str,
        *,
        private: bool = False,
        message: str | None = None,
        language: str | None = None,
        license: str | None = None,
    ) -> str:
        """Uploads the model to the Hugging Face Hub, with its model card and its figures.

        Args:
            repo: The name of the model there, `owner/name`; it is made if it is not there.
            private: Whether only its owner may see it.
            message: What the commit says.
            language: The language of the texts, such as "en".
            license: Its identifier, such as "mit".

        Returns:
            The address of the model. `from_pretrained(repo)` reads it.

        Raises:
            UserError: If the Hub does not take it.
            NotFittedError: Before `fit`.
        """
        network = self._fitted()
        with tempfile.TemporaryDirectory(prefix="rnnnlp-") as temporary:
            folder = Path(temporary) / "model"
            self.save_pretrained(folder)
            options: dict[str, Any] = {"private": private, "message": message, "language": language, "license": license}
            return push(network, folder, repo, run=self._folder, **options)


def advice_on(name: str, known: Collection[str]) -> str:
    """What to do about an option that is not known: the name that is probably meant, or all that are known."""
    if RENAMED_OPTIONS.get(name) in known:
        return f"it is now {RENAMED_OPTIONS[name]}"
    if OPTION_SYNONYMS.get(name) in known:
        return f"here it is {OPTION_SYNONYMS[name]}"
    if name == "verbose":
        return "the level of the logger 'rnnnlp' decides what is shown"
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"


def with_options(doc: str, options: Iterable[tuple[type[Config], Any]]) -> str:
    """A docstring in which the list of arguments goes on with these options, the fields of configurations."""
    entries = []
    for config, field in options:
        described = describe(config, field.name)
        default = ""
        if described.get("auto"):
            default = " (default: chosen from data and time)"
        elif field.default is not MISSING and field.default is not None:
            default = f" (default: {field.default!r})"
        entry = f"{field.name}: {described['help'][0].upper()}{described['help'][1:]}{default}."
        lines = textwrap.wrap(entry, DOC_WIDTH, subsequent_indent=4 * " ", break_on_hyphens=False)
        entries.append(textwrap.indent("\n".join(lines), 4 * " "))
    head, attributes, rest = inspect.cleandoc(doc).partition("\n\nAttributes:")
    return "\n".join([head, *entries]) + attributes + rest
