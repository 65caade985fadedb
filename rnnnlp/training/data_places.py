"""Where the data of a run are, also after the run folder or the data have moved."""

import glob
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError, option
from rnnnlp.files import CorruptFileError
from rnnnlp.text.builtin import BUILTIN_NAMES
from rnnnlp.text.hub import is_hub_name
from rnnnlp.text.sources import GIVEN
from rnnnlp.training.model_folder import ENTRIES
from rnnnlp.training.run_folder import RunFolder, read_state

log = logging.getLogger(__name__)


def places_of(data: str, run: Path) -> dict[str, str]:
    """What a run keeps besides the name of its data: their absolute path, and their path from the run folder.

    Data other than a file, folder or pattern on this computer have no such places.
    """
    if data in BUILTIN_NAMES or not is_local(data):
        return {}
    absolute = os.path.abspath(os.path.expanduser(data))
    try:
        return {"absolute": absolute, "from_run": os.path.relpath(absolute, os.path.realpath(run))}
    except ValueError:  # on another drive of Windows
        return {"absolute": absolute}


def refuse_data_of_run(data: str | None, run: str | os.PathLike[str]) -> None:
    """UserError if data are files of the run in a folder, which a new run replaces."""
    if data is None or data in BUILTIN_NAMES or not is_local(data):
        return
    folder, path = Path(os.path.realpath(os.path.expanduser(run))), os.path.expanduser(data)
    for place in map(Path, [path] if os.path.exists(path) else glob.glob(path, recursive=True)):
        real = Path(os.path.realpath(place))
        if any(folder / entry in (real, *real.parents) for entry in ENTRIES):
            raise UserError(
                f"{option('data')} {data} is in the run that {option('out')} {run} replaces; copy it elsewhere first"
            )


def find_data(training: Mapping[str, Any], run: Path, *, remedy: str = "") -> str:
    """Where the data of a run are now.

    They are looked for by their name as it was given, seen from here; then where they were during training; then where
    they were as seen from the run folder, which finds them if both have moved together; then in the run folder.

    Args:
        training: How the run was trained, as its `config.json` says.
        run: The run folder.
        remedy: What to do if they are not found; by default, to name the data.

    Raises:
        UserError: If they are nowhere, or were given in Python.
    """
    data, name_them = training.get("data"), f"give {option('data')}"
    if data is None:
        raise UserError(f"{run} does not say what it was trained on; {remedy or name_them}")
    if data == GIVEN:
        raise UserError(
            f"{run} was trained on texts that Python gave, which are not kept; "
            f"{remedy or f'{name_them}, or the texts in Python'}"
        )
    if are_here(data):
        place = "a built-in data set" if data in BUILTIN_NAMES else os.path.abspath(os.path.expanduser(data))
        log.info("%s: reading the data of the training: %s (%s)", run, data, place)
        return str(data)
    places = kept_places(run)
    candidates = possible_places(training, run)[1:]
    for place in candidates:
        if is_local(place):
            log.info("%s: the data of the training, %s, are now %s", run, data, place)
            return place
    if is_hub_name(data) and not places:
        log.info("%s: reading the data of the training: %s (a data set of the Hub)", run, data)
        return str(data)
    looked = ", ".join(dict.fromkeys([os.path.abspath(os.path.expanduser(data)), *candidates]))
    raise UserError(f"{run}: its data, {data!r}, are not at {looked}; {remedy or f'{name_them} with their new place'}")


def possible_places(training: Mapping[str, Any], run: Path) -> list[str]:
    """Where `find_data` looks for the data of a run, in order; the first is their name as it was given."""
    data = training.get("data")
    if data is None or data == GIVEN:
        return []
    within = os.path.realpath(run)
    names = [name for name in (*kept_places(run).values(), data, Path(data).name) if isinstance(name, str)]
    return [data, *(os.path.normpath(os.path.join(within, name)) for name in names)]


def kept_places(run: Path) -> dict[str, str]:
    """The places that a run keeps of its data; older runs, and those whose checkpoint is damaged, keep none."""
    try:
        checkpoints = RunFolder(run).checkpoints()
        return read_state(checkpoints[-1]).data_places if checkpoints else {}
    except CorruptFileError:
        return {}


def are_own_data(data: str, training: Mapping[str, Any], run: Path | None) -> bool:
    """Whether `data`, as a user names them now, are those that trained the run; `run` is None if its place is unknown.

    Data of the same name that are at another place while those of the training are gone may be a copy: a warning says
    what that means.
    """
    own = training.get("data")
    if own is None or own == GIVEN:
        return False
    places = {} if run is None else kept_places(run)
    if run is None or not places or not is_local(data):
        return data == own or (is_local(data) and is_local(own) and os.path.realpath(data) == os.path.realpath(own))
    here = os.path.realpath(os.path.expanduser(data))
    found = [os.path.realpath(places["absolute"])]
    if "from_run" in places:
        found.append(os.path.realpath(os.path.join(os.path.realpath(run), places["from_run"])))
    if here in found:
        return True
    if Path(data).name == Path(own).name and not any(map(is_local, found)):
        log.warning(
            "%s: the data of the training, %s, are gone; if %s is a copy of them, the figures are too good: they are "
            "also of texts that trained the model",
            *(run, own, data),
        )
    return False


def are_here(data: str) -> bool:
    """Whether data are built in, or found from this folder."""
    return data in BUILTIN_NAMES or is_local(data)


def is_local(data: str) -> bool:
    """Whether this is a file, a folder, or a pattern that matches one."""
    try:
        path = Path(os.path.expanduser(data))
        return path.exists() or (glob.has_magic(data) and bool(glob.glob(str(path), recursive=True)))
    except (OSError, ValueError):  # too long, a null byte
        return False
