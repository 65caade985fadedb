"""Finds data by what the user gives as its name: the files or tables of each split."""

from __future__ import annotations

import glob
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rnnnlp.errors import UserError, option
from rnnnlp.text.builtin import BUILTIN_NAMES, SAMPLE_REVIEWS, PythonDocs, sample_folder
from rnnnlp.text.hub import is_hub_name, load_from_hub
from rnnnlp.text.readers import read_text
from rnnnlp.text.tables import TABLE_SUFFIXES, ClassFolders, Table, open_table

logger = logging.getLogger(__name__)

GIVEN = "(texts)"  # what a run folder calls data that Python gave
SPLITS = ("train", "validation", "test")
WHOLE = "all"  # in place of a split: everything that has labels, as one
UNLABELLED = "unlabelled"  # a further split of some labelled data sets: texts without a label
_UNLABELLED_NAMES = ("unsup", "unsupervised", "unlabeled", "unlabelled")
_SPLIT_OF = (
    {name: name for name in SPLITS}
    | dict.fromkeys(("valid", "val", "dev"), "validation")
    | dict.fromkeys(_UNLABELLED_NAMES, UNLABELLED)
)


@dataclass(frozen=True)
class PlainText:
    """A file that is one text.

    Attributes:
        path: The file.
    """

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def documents(self, text_column: str | None) -> Iterator[Iterator[str]]:
        """Yields the one text, as a stream of chunks; `text_column` is not used."""
        yield read_text(self.path)


Part = Table | PlainText


@dataclass(frozen=True)
class Source:
    """Where text comes from.

    Attributes:
        name: As the user gave it.
        splits: The files or tables of each split. The names are of SPLITS, or UNLABELLED; "train" may be the only one.
    """

    name: str
    splits: dict[str, tuple[Part, ...]]


def find_source(spec: str) -> Source:
    """Finds data by its name. Of local data, only the listings of folders are read.

    Args:
        spec: The name of a built-in data set, a file, a folder, a glob pattern, or the name of a data set on the Hub.

    Raises:
        UserError: If it is none of these, or cannot be read.
    """
    if spec == GIVEN:
        raise UserError(f"the texts were given in Python and are not kept; give {option('data')} that can be read")
    try:
        return _find(spec)
    except (OSError, RuntimeError) as error:  # RuntimeError: ~name of an unknown user
        raise UserError(f"cannot read {spec} ({error}); check the path and its permissions") from error


def _find(spec: str) -> Source:
    if spec == SAMPLE_REVIEWS:
        return Source(spec, _folder_splits(sample_folder(spec)))
    if spec in BUILTIN_NAMES:
        docs = PythonDocs()
        return Source(docs.name, {"train": (docs,)})
    path = Path(spec).expanduser()
    if spec and path.is_dir():
        return Source(spec, _folder_splits(path))
    if spec and path.exists():
        split = _split_of(path)
        return Source(spec, {split if split in SPLITS else "train": (_open(path),)})
    if glob.has_magic(spec):
        return Source(spec, {"train": _glob_parts(path)})
    if is_hub_name(spec) and path.suffix.lower() not in (*TABLE_SUFFIXES, ".txt"):
        return Source(spec, _hub_splits(spec))
    raise UserError(
        f"{spec!r}: no such file or folder; expected a path, a glob, a Hub name such as stanfordnlp/imdb, "
        f"or a built-in set ({', '.join(BUILTIN_NAMES)})"
    )


def _open(path: Path) -> Part:
    return open_table(path) if path.suffix.lower() in TABLE_SUFFIXES else PlainText(path)


def _split_of(path: Path) -> str | None:
    """The split that the name of a file or folder begins with: train-00000.parquet, valid.csv, test."""
    return _SPLIT_OF.get(re.split(r"[-_.]", path.name.lower())[0])


def _glob_parts(pattern: Path) -> tuple[Part, ...]:
    parts = tuple(_open(Path(name)) for name in sorted(glob.glob(str(pattern), recursive=True)) if Path(name).is_file())
    if not parts:
        raise UserError(f"{pattern} matches no file; check the pattern (** reaches into sub-folders)")
    return parts


def _hub_splits(spec: str) -> dict[str, tuple[Part, ...]]:
    tables = load_from_hub(spec)
    splits = {_SPLIT_OF[name]: (table,) for name, table in tables.items() if name in _SPLIT_OF}
    return _log_unused(spec, splits, [name for name in tables if name not in _SPLIT_OF])


def _folder_splits(folder: Path) -> dict[str, tuple[Part, ...]]:
    for find in (_split_files, _split_folders, _class_folders, _files_further_down, _plain_texts):
        splits = find(folder)
        if _has_more_than_unlabelled(splits):
            return splits
    raise UserError(
        f"{folder} holds no data; expected split files (train.parquet, test.csv, ...), one sub-folder of .txt files "
        "per class, or .txt files; other plain text can be named by a glob, as in 'folder/**/*.md'"
    )


def _split_files(folder: Path) -> dict[str, tuple[Part, ...]]:
    """Files named after the splits, each split in one or more files; .txt files only if one is for train."""
    tables = _tables_in(folder)
    texts = [path for path in sorted(folder.glob("*.txt")) if _split_of(path)]
    if not any(_split_of(path) == "train" for path in texts):
        texts = []
    found: dict[str, list[Path]] = {}
    for path in [*tables, *texts]:
        if split := _split_of(path):
            found.setdefault(split, []).append(path)
    splits = {split: _open_all(paths) for split, paths in found.items()}
    return _log_unused(folder, splits, [path.name for path in tables if not _split_of(path)])


def _split_folders(folder: Path) -> dict[str, tuple[Part, ...]]:
    """Sub-folders named after the splits, which hold class folders or files."""
    splits: dict[str, tuple[Part, ...]] = {}
    for sub in _sub_folders(folder):
        if split := _split_of(sub):
            splits[split] = _class_parts(sub, least=1) or _open_all(_tables_in(sub)) or _texts_in(sub)
        if split == "train":
            splits.setdefault(UNLABELLED, _unlabelled_folders(sub))
    return _log_unused(folder, {split: parts for split, parts in splits.items() if parts}, [])


def _class_folders(folder: Path) -> dict[str, tuple[Part, ...]]:
    """One sub-folder of .txt files per class."""
    splits = {"train": _class_parts(folder, least=2), UNLABELLED: _unlabelled_folders(folder)}
    return {split: parts for split, parts in splits.items() if parts}


def _files_further_down(folder: Path) -> dict[str, tuple[Part, ...]]:
    """The split files of the only sub-folder that has any, as in a clone from the Hub (data/train-00000.parquet)."""
    found = {sub.name: _split_files(sub) for sub in _sub_folders(folder)}
    found = {name: splits for name, splits in found.items() if _has_more_than_unlabelled(splits)}
    if len(found) > 1:
        raise UserError(f"{folder} has data in several sub-folders ({', '.join(found)}); name one of them")
    return next(iter(found.values()), {})


def _plain_texts(folder: Path) -> dict[str, tuple[Part, ...]]:
    parts = _texts_in(folder)
    return {"train": parts} if parts else {}


def _class_parts(folder: Path, least: int) -> tuple[Part, ...]:
    with_texts = [sub.name for sub in _sub_folders(folder) if any(sub.glob("*.txt"))]
    classes = [name for name in with_texts if name.lower() not in _UNLABELLED_NAMES]
    return (ClassFolders(folder, classes),) if len(classes) >= least else ()


def _unlabelled_folders(folder: Path) -> tuple[Part, ...]:
    subs = [sub for sub in _sub_folders(folder) if sub.name.lower() in _UNLABELLED_NAMES and any(sub.glob("*.txt"))]
    return tuple(ClassFolders(sub, ["."]) for sub in subs)


def _has_more_than_unlabelled(splits: Mapping[str, tuple[Part, ...]]) -> bool:
    return any(split in splits for split in SPLITS)


def _sub_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _tables_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in TABLE_SUFFIXES)


def _texts_in(folder: Path) -> tuple[Part, ...]:
    return tuple(PlainText(path) for path in sorted(folder.rglob("*.txt")) if path.is_file())


def _open_all(shards: list[Path]) -> tuple[Part, ...]:
    """The files of one split. They must be of one format: two formats would hold the same rows twice."""
    if len({path.suffix.lower() for path in shards}) > 1:
        raise UserError(f"{' and '.join(map(str, shards))} are one split in several formats; keep one, or name a file")
    return tuple(map(_open, shards))


def _log_unused(
    source: object, splits: Mapping[str, tuple[Part, ...]], others: list[str]
) -> dict[str, tuple[Part, ...]]:
    """The splits in their usual order; the names of `others`, which are not used, are logged."""
    if splits and others:
        logger.info("%s: %s left out, not one of %s", source, ", ".join(others), ", ".join(SPLITS))
    return {split: splits[split] for split in (*SPLITS, UNLABELLED) if split in splits}


def split_to_measure(spec: str) -> str:
    """What of data that did not train a model is measured unless a split is named.

    It is the validation or the test split of data that have one; of other data, such as a file, it is all of it.
    """
    splits = find_source(spec).splits
    return next((split for split in ("validation", "test") if split in splits), WHOLE)


def log_unused_unlabelled(source: Source) -> None:
    """Logs that the unlabelled texts of a source are not used."""
    for part in source.splits.get(UNLABELLED, ()):
        logger.info("%s left out: texts without a label", part.name)
