"""Models are pushed to the Hub, with a card that it reads."""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rnnnlp.errors import OptionName, UserError
from rnnnlp.files import open_regular, read_json, write_atomically
from rnnnlp.folders import read_whole
from rnnnlp.training.card import card_for_hub
from rnnnlp.training.data_places import kept_places
from rnnnlp.training.hub import require_name, upload
from rnnnlp.training.model_folder import CARD, METRICS, ON_HUB, SavedModel, digest_of_model, read_config

EVALUATION = "evaluation.json"  # in a run folder: what `evaluate` measured
DIGEST = "model_sha256"  # among the figures of `evaluate`: see `digest_of_model`

log = logging.getLogger(__name__)


def push_folder(folder: str | os.PathLike[str], repo: str, load: Callable[[Path], SavedModel], **options: Any) -> str:
    """Uploads the model in a folder to the Hub, without its checkpoints.

    Args:
        folder: A run folder, a checkpoint, an ensemble or a saved model.
        repo: The name of the model on the Hub, `owner/name`.
        load: Reads the model in a folder, and refuses one that is damaged.
        options: Those of `push`.

    Returns:
        The address of the model.

    Raises:
        UserError: If there is no model, or the Hub does not take it.
    """
    path = Path(os.path.expanduser(folder))
    require_name(repo)
    read_config(path)
    with tempfile.TemporaryDirectory(prefix="rnnnlp-") as temporary:
        copy = Path(temporary) / "model"

        def copied(place: Path) -> SavedModel:
            shutil.rmtree(copy, ignore_errors=True)
            of_model = load(place).files  # says what is damaged where it is
            for name in (*of_model, CARD, METRICS, EVALUATION):
                source, target = place / name, copy / name
                if source.is_symlink() and name not in of_model:  # which nothing has checked
                    raise UserError(f"{source} is a link, which is not uploaded; put the file itself there")
                if not source.exists():
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with open_regular(source) as file, open(target, "wb") as new:
                    shutil.copyfileobj(file, new)
            return load(copy)

        model = read_whole(path, copied)
        return push(model, copy, repo, run=path, **options)


def push(
    model: SavedModel,
    folder: Path,
    repo: str,
    *,
    run: Path | None = None,
    private: bool = False,
    message: str | None = None,
    language: str | None = None,
    license: str | None = None,
) -> str:
    """Uploads a model that was written into a folder of its own; its card gets what the Hub reads.

    Args:
        model: The model.
        folder: The folder; its card changes.
        repo: The name of the model on the Hub, `owner/name`.
        run: The run that the model is of, if there is one: it knows whether its data are on this computer.
        private: Whether only its owner may see it.
        message: What the commit says.
        language: The language of the texts, such as "en".
        license: Its identifier, such as "mit".

    Returns:
        The address of the model.

    Raises:
        UserError: If the Hub does not take it.
    """
    require_name(repo)
    card = (folder / CARD).read_text("utf-8", "replace") if (folder / CARD).is_file() else f"# {repo}\n"
    card = card_for_hub(
        card,
        model,
        read_config(folder),
        repo,
        evaluation_in(folder),
        language=language,
        license=license,
        local_data=run is not None and has_local_data(run),
    )
    write_atomically(folder / CARD, card.encode("utf-8", "replace"), sync=False)
    return upload(folder, repo, ON_HUB, private=private, message=message)


def evaluation_in(folder: Path) -> list[dict[str, Any]]:
    """What `evaluate` measured, as the file EVALUATION of a run folder says: the figures of each data set.

    Figures that are not those of this model as others will use it are left out, and a warning says why.
    """
    path = folder / EVALUATION
    if not path.is_file():
        return []
    try:
        content = read_json(path)
    except UserError:  # it would name the copy that is uploaded
        content = None
    figures = content if isinstance(content, list) else [content]
    if not all(isinstance(f, dict) and all(isinstance(f.get(key), str) for key in ("data", "split")) for f in figures):
        raise UserError(f"{EVALUATION} of the run has no figures of a data set and split; evaluate again, or remove it")
    digest, kept = digest_of_model(folder), []
    for of_data in figures:
        if reason := reason_to_leave_out(of_data, digest):
            log.warning(
                "%s: the figures of %s are %s, so the card leaves them out; evaluate the run again with %s RUN/%s",
                *(EVALUATION, of_data["data"], reason, OptionName("json"), EVALUATION),
            )
        else:
            kept.append(of_data)
    return kept


def reason_to_leave_out(figures: Mapping[str, Any], digest: str) -> str | None:
    """Why figures of `evaluate` do not belong into the card of the model with this digest; None if they do."""
    if figures.get(DIGEST) != digest:
        return "not known to be of these weights"
    if figures.get("dynamic"):
        return "of dynamic evaluation"
    return "of a chosen threshold" if figures.get("threshold") else None


def has_local_data(run: Path) -> bool:
    """Whether a run keeps places of its data on this computer."""
    try:
        return bool(kept_places(run))
    except UserError:  # its checkpoints are links
        return False
