"""The classifiers that are bundled with this library: which there are, and which of them reads a text."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rnnnlp.config import Config
from rnnnlp.errors import UserError, option
from rnnnlp.files import read_json
from rnnnlp.text.builtin import SAMPLE_REVIEWS, bundled_folder
from rnnnlp.text.scripts import main_script
from rnnnlp.training.model_folder import located

MODELS, INDEX = "models", "index.json"  # among what is bundled: the folder of models, and the list of them in it
LOOKED_AT = 1000  # characters of a text that tell its script


@dataclass(frozen=True)
class BundledModel(Config):
    """What the list of bundled models says of one."""

    name: str
    language: str
    scripts: tuple[str, ...]  # as `main_script` names them
    labels: tuple[str, ...]
    use: str  # what it is for
    bytes: int
    figures: dict  # accuracies by data, "IMDB test": 0.93
    version: str
    date: str

    @property
    def trained_on(self) -> tuple[str, ...]:
        """The data sets that it has figures of and was trained on."""
        sets = (name.rpartition(" ")[0] for name in self.figures)
        return tuple(name for name in sets if name != SAMPLE_REVIEWS)

    @property
    def folder(self) -> Path:
        folder = bundled_folder(MODELS)
        assert folder is not None
        return folder / self.name


def bundled_models() -> dict[str, BundledModel]:
    """The bundled models by name; empty if this installation has none."""
    folder = bundled_folder(MODELS)
    if folder is None or not (index := folder / INDEX).is_file():
        return {}
    entries = read_json(index)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{index} is not a list of models; install rnnnlp again")
    models = [BundledModel.from_mapping(entry, str(index)) for entry in entries]
    return {model.name: model for model in models if model.folder.is_dir()}


def is_bundled(place: str | os.PathLike[str] | None) -> bool:
    """Whether `model_folder` takes this for the name of a bundled model."""
    return place is not None and not os.path.lexists(place) and os.fspath(place) in bundled_models()


def model_folder(place: str | os.PathLike[str]) -> Path:
    """Where a model is: the folder `place` or, if there is none, the model of that name, bundled or of the Hub.

    All that opens a classifier asks here, so such a name may be given wherever a run may.

    Raises:
        UserError: If `place` can only be a name, and no model has it.
    """
    path = Path(os.path.expanduser(place))
    if os.path.lexists(path) or len(path.parts) != 1 or not (models := bundled_models()):
        return located(place)
    if path.name in models:
        return models[path.name].folder
    raise UserError(
        f"{place} is not a folder, and no bundled model has that name; give the folder of a trained model, or one of "
        f"{', '.join(models)}"
    )


def models_for(
    texts: Sequence[str | None], before: Mapping[str, int] = MappingProxyType({}), *, usual: str | None = None
) -> list[str]:
    """For each text the name of the bundled model that knows its script.

    A text without letters, or none at all, goes to the model that most other texts go to.

    Args:
        texts: The texts.
        before: How many texts went to each model before these.
        usual: The model of all texts if none has letters; by default they are refused.

    Raises:
        UserError: If there is no such model.
    """
    models = bundled_models()
    known = {script: model.name for model in models.values() for script in model.scripts}
    scripts = [main_script(text[:LOOKED_AT]) if text else None for text in texts]
    listed = "; ".join(f"{model.name} knows {model.language}" for model in models.values())
    if unknown := Counter(script for script in scripts if script is not None and script not in known):
        script, number = unknown.most_common(1)[0]
        which = f"{number} of {len(texts)} texts are" if len(texts) > 1 else "the text is"
        raise UserError(
            f"{which} written in {script.capitalize()} script, which no bundled model knows ({listed}); train a "
            f"classifier on such texts, or choose a model with {option('model')}"
        )
    chosen = [None if script is None else known[script] for script in scripts]
    most = (Counter(before) + Counter(name for name in chosen if name is not None)).most_common(1)
    if not most and usual is not None:
        most = [(usual, 0)]
    if texts and not most:
        raise UserError(
            f"there are no letters in what was given, so its language cannot be told ({listed}); choose a model with "
            f"{option('model')}"
        )
    return [name or most[0][0] for name in chosen]
