"""The models that are served: found in run folders, opened when first asked for, and again when they change."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError
from rnnnlp.folders import current, read_whole
from rnnnlp.server.batching import Batcher
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.bundled import bundled_models, model_folder
from rnnnlp.tasks.sentiment.ensemble import Ensemble, load_predictor
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training.model_folder import CONFIG, WEIGHTS, read_config

CLASSIFIER, LANGUAGE_MODEL, OTHER = "classifier", "language model", "other"
KINDS = {
    SentimentNetwork.model_type: CLASSIFIER,
    Ensemble.model_type: CLASSIFIER,
    CharLMNetwork.model_type: LANGUAGE_MODEL,
}
LOOKED_AT_EVERY = 2.0  # seconds between two looks at a folder
KEPT = 10.0  # seconds that an opened model goes on without its folder: another may take the place of the folder

log = logging.getLogger(__name__)
Stamp = tuple[tuple[int, int, int], ...]


class UnknownModelError(UserError):
    """A request names a model that is not served, or that cannot be opened."""


class OtherKindError(Exception):
    """A model of another kind has taken the place of one."""


@dataclass
class Entry:
    """A folder.

    Attributes:
        name: How requests name it.
        folder: Where it is.
        kind: One of CLASSIFIER, LANGUAGE_MODEL and OTHER.
        model_type: As its `config.json` says.
        labels: Those of a classifier, as its `config.json` says.
        described: The `config.json` that was read.
        model: What was opened, or None.
        batcher: Collects the texts for it, when there are some.
        stamp: What was opened.
        failed: What could not be opened; it is tried again, as it may be half of a copy.
        looked_at: When the stamp was last compared.
        seen_at: When the folder was last there.
    """

    name: str
    folder: Path
    kind: str
    model_type: str
    labels: list[str] | None = None
    described: Stamp = ()
    model: Any = None
    batcher: Batcher | None = None
    stamp: Stamp = ()
    failed: Stamp = ()
    looked_at: float = -1e9
    seen_at: float = -1e9
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Catalogue:
    """The models of the given run folders; of a folder that has run folders, those in it, also new ones.

    Args:
        places: Run folders, folders of them, or names of bundled models. Without any: the bundled models.

    Attributes:
        by_script: Whether these are the bundled models: where none is named, the script of each text chooses.

    Raises:
        UserError: If there is no model in them.
    """

    def __init__(self, places: Sequence[str]):
        self.by_script = not places
        self._places = [_place(place) for place in list(places) or list(bundled_models())]
        self._entries: dict[Path, Entry] = {}
        self._said: set[Path] = set()
        self._found_at = -1e9
        self._lock = threading.Lock()  # requests are answered in several threads
        if not self.entries():
            given = ", ".join(map(str, self._places))
            raise UserError(f"{given or 'no folder'} holds no model; give the run folders of trained models")

    def entries(self) -> list[Entry]:
        """What is there now, in the order of the places."""
        with self._lock:
            if time.monotonic() - self._found_at > LOOKED_AT_EVERY:
                self._look()
            return list(self._entries.values())

    def _look(self) -> None:
        """Finds what is there now, and ends the threads of models that are not there any more."""
        now = self._found_at = time.monotonic()
        before = self._entries
        found: dict[Path, Entry] = {}
        for place in self._places:
            there = _folders(place)
            own = [entry for entry in before.values() if place in (entry.folder, entry.folder.parent)]
            gone = [entry.folder for entry in own if entry.model is not None and now - entry.seen_at < KEPT]
            for folder in sorted({*there, *gone}):
                entry = found.get(folder) or before.get(folder)
                if entry is None or folder in there:
                    entry = self._entry(folder, entry)
                if entry is not None:
                    found[folder] = entry
                    entry.seen_at = now if folder in there else entry.seen_at
        self._entries = found
        for folder, entry in before.items():
            if found.get(folder) is not entry:
                _end(entry)

    @property
    def batchers(self) -> list[Batcher]:
        """Those of all models."""
        with self._lock:
            return [entry.batcher for entry in self._entries.values() if entry.batcher is not None]

    def of_kind(self, kind: str) -> list[Entry]:
        return [entry for entry in self.entries() if entry.kind == kind]

    def choose(self, name: str | None, kind: str | None = None) -> Entry:
        """The entry of a name; without a name, the first of that kind.

        Raises:
            UnknownModelError: If there is none.
        """
        entries = self.entries() if kind is None else self.of_kind(kind)
        for entry in entries:
            if name is None or entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in entries) or "none"
        wanted = kind or "run"
        if name is None:
            raise UnknownModelError(f"no {wanted} is served; start the server with the folder of one")
        raise UnknownModelError(f"there is no {wanted} {name[:100]!r}; served are: {known}")

    async def opened(self, entry: Entry) -> Any:
        """The model of an entry: what is in its folder now, or was a few seconds ago.

        While a changed folder is read, and if it cannot be read, the model of before goes on.
        """
        now = time.monotonic()
        if entry.model is not None and now - entry.looked_at < LOOKED_AT_EVERY:
            return entry.model
        if entry.model is not None and entry.lock.locked():  # another request reads it
            return entry.model
        async with entry.lock:
            if entry.model is not None and time.monotonic() - entry.looked_at < LOOKED_AT_EVERY:
                return entry.model
            stamp = _stamp(entry.folder)
            if entry.model is None or stamp != entry.stamp:
                try:
                    entry.model = await asyncio.to_thread(_open, entry)
                except OtherKindError:
                    with self._lock:
                        self._entries.pop(entry.folder, None)
                        self._found_at = -1e9
                    _end(entry)
                    raise UnknownModelError(f"the model {entry.name!r} is one of another kind now; try again") from None
                except (UserError, OSError) as error:
                    if entry.model is None:
                        log.warning("%s: %s", entry.folder, error)
                        raise UnknownModelError(f"the model {entry.name!r} cannot be opened; see the log") from None
                    if stamp != entry.failed:
                        log.warning("%s has changed and cannot be read (%s); the earlier is used", entry.name, error)
                    entry.failed = stamp
                else:
                    entry.stamp = stamp
                    log.info("opened %s: %s", entry.name, entry.folder)
            entry.looked_at = time.monotonic()
        if self._entries.get(entry.folder) is not entry:  # meanwhile
            raise UnknownModelError(f"the model {entry.name!r} is not served any more")
        return entry.model

    def _entry(self, folder: Path, before: Entry | None) -> Entry | None:
        """The entry of a folder: the one of before, unless the model there is of another kind now."""
        described = _stamp(folder, (CONFIG,))
        if before is not None and described == before.described:
            return before
        try:
            config = read_whole(folder, read_config)
        except (UserError, OSError) as error:
            if before is None and folder not in self._said:
                self._said.add(folder)
                log.warning("%s is not served: %s", folder, error)
            return before
        model_type, labels = config["model_type"], config["model"].get("labels")
        kind = KINDS.get(model_type, OTHER)
        labels = [str(label) for label in labels] if kind == CLASSIFIER and isinstance(labels, list) else None
        if before is not None:
            if kind != before.kind:
                return Entry(before.name, folder, kind, model_type, labels, described)
            before.model_type, before.labels, before.described = model_type, labels, described
            return before
        taken = {entry.name for entry in self._entries.values()}
        parts = [part.encode("utf-8", "replace").decode() for part in folder.absolute().parts[-2:]]
        name = parts[-1]
        if name in taken:
            name = "/".join(parts)
        number = 2
        while name in taken:
            name, number = f"{parts[-1]} ({number})", number + 1
        entry = Entry(name, folder, kind, model_type, labels, described)
        self._entries[folder] = entry
        return entry


def _place(name: str) -> Path:
    """A folder that is given, or that of a name: looked up once, as a name of the Hub takes a while."""
    path = Path(os.path.expanduser(name))
    return path if path.exists() else model_folder(name)


def _folders(place: Path) -> list[Path]:
    """The run folders at a place; none while it is not there or cannot be read."""
    if os.path.isfile(current(place) / CONFIG):
        return [place]
    try:
        inside = [folder for folder in place.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    except OSError:
        return []
    return sorted(folder for folder in inside if os.path.isfile(current(folder) / CONFIG))


def _end(entry: Entry) -> None:
    """Ends the threads of a model that is not served any more."""
    batcher, entry.batcher = entry.batcher, None
    if batcher is not None:
        batcher.close()


def _open(entry: Entry) -> Any:
    if KINDS.get(read_whole(entry.folder, read_config)["model_type"], OTHER) != entry.kind:
        raise OtherKindError
    if entry.kind == CLASSIFIER:
        return load_predictor(entry.folder)
    return CharLMNetwork.from_pretrained(entry.folder)


def _stamp(folder: Path, names: Sequence[str] = (CONFIG, WEIGHTS)) -> Stamp:
    """Changes when the model in a folder does."""
    found = []
    for name in names:
        try:
            status = os.stat(current(folder) / name)
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)
