"""Finds data by what the user gives as its name: the files or tables of each split."""

import glob
import logging
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnnlp.errors import UserError, option
from rnnnlp.text.builtin import BUILTIN_NAMES, SAMPLE_REVIEWS, PythonDocs, sample_folder
from rnnnlp.text.decoding import read_text
from rnnnlp.text.formats import PLAIN_JSON, TABLE_SUFFIXES, open_table
from rnnnlp.text.hub import is_hub_name, load_from_hub
from rnnnlp.text.read_options import ReadOptions
from rnnnlp.text.tables import ClassFolders, Table, has_texts, texts_in
from rnnnlp.text.unpacked import COMPRESSED, data_suffix, is_hidden, is_junk, special

log = logging.getLogger(__name__)

GIVEN = "(texts)"  # what a run folder calls data that Python gave
SPLITS = ("train", "validation", "test")
TRAINING_SPLITS = ("train", "validation")  # the ones that training reads
ALL_SPLITS = "all"  # in place of a split: everything that has labels, as one
UNLABELLED = "unlabelled"  # a further split of some labelled data sets: texts without a label
_LONGEST_NAME = 255  # bytes, on all usual file systems
_UNLABELLED_NAMES = ("unsup", "unsupervised", "unlabeled", "unlabelled")
_SPLIT_OF = (
    {name: name for name in SPLITS}
    | {"training": "train", "testing": "test"}
    | dict.fromkeys(("valid", "val", "dev"), "validation")
    | dict.fromkeys(_UNLABELLED_NAMES, UNLABELLED)
)


@dataclass(frozen=True)
class PlainText:
    """A file that is one text.

    Attributes:
        path: The file.
        encoding: Its encoding, as for `read_text`.
    """

    path: Path
    encoding: str | None = None

    @property
    def name(self) -> str:
        return str(self.path)

    def documents(self, text_column: str | None) -> Iterator[Iterator[str]]:
        """Yields the one text, as a stream of chunks; `text_column` is not used."""
        yield read_text(self.path, self.encoding)


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


def find_source(spec: str, reading: ReadOptions | None = None, *, rows: bool = False) -> Source:
    """Finds data by its name. Of local data, only the listings of folders and the first bytes of tables are read.

    Args:
        spec: The name of a built-in data set, a file, a folder, a glob pattern, or the name of a data set on the Hub.
        reading: How files are read.
        rows: Whether rows with labels are expected, so that a text file that begins as a table is one.

    Raises:
        UserError: If it is none of these, or cannot be read.
    """
    if spec == GIVEN:
        raise UserError(f"the texts were given in Python and are not kept; give {option('data')} that can be read")
    refuse_what_is_no_path(spec)
    try:
        return _Finder(reading or ReadOptions(), rows).find(spec)
    except (OSError, RuntimeError) as error:  # RuntimeError: ~name of an unknown user
        raise UserError(f"cannot read {spec} ({error}); check the path and its permissions") from error


def refuse_what_is_no_path(spec: str) -> None:
    """Names a URL, or text itself, that was given as the name of a file.

    Raises:
        UserError: If `spec` is one of these.
    """
    scheme, separator, rest = spec.partition("://")
    if separator and re.fullmatch(r"[A-Za-z][\w+.-]*", scheme):
        if scheme.lower() == "file":
            raise UserError(f"{spec} is a URL; expected a path: give {rest.removeprefix('localhost')}")
        raise UserError(f"{spec} is a URL, which is not read; download it first, and give the path of the file")
    shown = spec if len(spec) <= 60 else spec[:56] + " ..."
    longest = max(map(len, map(os.fsencode, re.split(r"[/\\]", spec.replace("\0", " ")))))
    words = len(spec.split()) >= 4 and not re.search(r"[/\\*]|\.\w{1,8}$", spec)
    if longest > _LONGEST_NAME or ((words or "\n" in spec.strip()) and not os.path.exists(spec.replace("\0", " "))):
        raise UserError(
            f"{shown!r} looks like the text itself; expected the name of data: write it to a file, or in Python give a "
            "list of texts"
        )


@dataclass(frozen=True)
class _Finder:
    """Finds data whose files are read in one way.

    Attributes:
        reading: How they are read.
        rows: As for `find_source`.
    """

    reading: ReadOptions
    rows: bool

    def find(self, spec: str) -> Source:
        if spec == SAMPLE_REVIEWS:
            return Source(spec, _Finder(ReadOptions(), self.rows)._folder_splits(sample_folder(spec)))
        if spec in BUILTIN_NAMES:
            docs = PythonDocs()
            return Source(docs.name, {"train": (docs,)})
        path = Path(spec).expanduser()
        if spec and path.is_dir() and is_file_name(path.name) and (parts := self._parts_in(path)):
            split = _split_of(path)
            return Source(spec, {split if split in SPLITS else "train": parts})
        if spec and path.is_dir():
            return Source(spec, self._folder_splits(path))
        if spec and path.exists():
            split = _split_of(path)
            return Source(spec, {split if split in SPLITS else "train": (self._open(path),)})
        if glob.has_magic(spec):
            return Source(spec, self._glob_splits(path))
        if is_hub_name(spec) and not is_file_name(path.name):
            return Source(spec, _hub_splits(spec))
        raise UserError(
            f"{spec!r}: no such file or folder; expected a path, a glob, a Hub name such as stanfordnlp/imdb, "
            f"or a built-in set ({', '.join(BUILTIN_NAMES)})"
        )

    def _open(self, path: Path) -> Part:
        if not stat.S_ISREG(path.stat().st_mode):
            raise special(path)
        return open_table(path, self.reading, rows=self.rows) or PlainText(path, self.reading.encoding)

    def _open_all(self, shards: list[Path]) -> tuple[Part, ...]:
        """The files of one split. They must be of one format: two formats would hold the same rows twice."""
        if len({data_suffix(path.name) + path.suffix.lower() for path in shards}) > 1:
            raise UserError(
                f"{' and '.join(map(str, shards))} are one split in several formats; keep one, or name a file"
            )
        return tuple(map(self._open, shards))

    def _parts_in(self, folder: Path) -> tuple[Part, ...]:
        """The files of a table that was written as a folder, as by Spark (reviews.parquet/part-00000.parquet)."""
        found = sorted(path for path in folder.iterdir() if path.is_file() and not is_hidden(path.name))
        return self._open_all([path for path in found if data_suffix(path.name) in TABLE_SUFFIXES])

    def _glob_splits(self, pattern: Path) -> dict[str, tuple[Part, ...]]:
        """The files that match: by splits if each is named after one, and one is for train; else all for train."""
        paths = [path for path in map(Path, sorted(_matches(pattern))) if path.is_file()]
        if not paths:
            raise UserError(f"{pattern} matches no file; check the pattern (** reaches into sub-folders)")
        found: dict[str, list[Path]] = {}
        for path in paths:
            found.setdefault(_split_of(path) or "", []).append(path)
        if "" in found or "train" not in found:
            if held := [*found.get("validation", ()), *found.get("test", ())]:
                log.info("%s: %s, like all files that match, are read as train", pattern, named(held))
            found = {"train": paths}
        _log_several(pattern, found, "files")
        return _log_unused(pattern, {split: tuple(map(self._open, paths)) for split, paths in found.items()}, [])

    def _folder_splits(self, folder: Path) -> dict[str, tuple[Part, ...]]:
        ways = (self._split_files, self._split_folders, self._class_folders, self._files_further_down, self._only_table)
        for find in (*ways, self._plain_texts):
            splits = find(folder)
            if _has_more_than_unlabelled(splits):
                return splits
        if tables := [path.name for path in _tables_in(folder)]:
            raise UserError(
                f"{folder} has {', '.join(tables[:5])}, not named after the splits ({', '.join(SPLITS)}); name one file"
            )
        raise UserError(
            f"{folder} holds no data; expected split files (train.parquet, test.csv, ...), one sub-folder of .txt "
            "files per class, or .txt files; other plain text can be named by a glob, as in 'folder/**/*.md'"
        )

    def _split_files(self, folder: Path) -> dict[str, tuple[Part, ...]]:
        """Files named after the splits, each split in one or more files; .txt files only if one is for train."""
        tables = _tables_in(folder)
        texts = [path for path in texts_in(folder) if _split_of(path)]
        if not any(_split_of(path) == "train" for path in texts):
            texts = []
        found: dict[str, list[Path]] = {}
        for path in [*tables, *texts]:
            if split := _split_of(path):
                found.setdefault(split, []).append(path)
        _log_several(folder, found, "files")
        splits = {split: self._open_all(paths) for split, paths in found.items()}
        others = [*tables, *(texts_in(folder) if texts else ())]
        return _log_unused(folder, splits, [path.name for path in others if not _split_of(path)])

    def _split_folders(self, folder: Path) -> dict[str, tuple[Part, ...]]:
        """Sub-folders named after the splits, which hold class folders or files."""
        splits: dict[str, tuple[Part, ...]] = {}
        found: dict[str, list[Path]] = {}
        for sub in _sub_folders(folder):
            if (split := _split_of(sub)) is None:
                continue
            parts = self._class_parts(sub, least=1) or self._open_all(_tables_in(sub)) or self._texts(sub)
            if parts:
                found.setdefault(split, []).append(sub)
                splits[split] = (*splits.get(split, ()), *parts)
            if split == "train" and (unlabelled := self._unlabelled_folders(sub)):
                splits[UNLABELLED] = (*splits.get(UNLABELLED, ()), *unlabelled)
        _log_several(folder, found, "folders")
        return _log_unused(folder, splits, [])

    def _class_folders(self, folder: Path) -> dict[str, tuple[Part, ...]]:
        """One sub-folder of .txt files per class."""
        splits = {"train": self._class_parts(folder, least=2), UNLABELLED: self._unlabelled_folders(folder)}
        return {split: parts for split, parts in splits.items() if parts}

    def _files_further_down(self, folder: Path) -> dict[str, tuple[Part, ...]]:
        """The split files of the only sub-folder that has any, as in a clone from the Hub (data/train-0.parquet)."""
        found = {sub.name: self._split_files(sub) for sub in _sub_folders(folder)}
        found = {name: splits for name, splits in found.items() if _has_more_than_unlabelled(splits)}
        if len(found) > 1:
            raise UserError(f"{folder} has data in several sub-folders ({', '.join(found)}); name one of them")
        return next(iter(found.values()), {})

    def _only_table(self, folder: Path) -> dict[str, tuple[Part, ...]]:
        """The only table of a folder; for a language model, only where there is no plain text."""
        texts = self._texts(folder)
        tables = _tables_in(folder) or _json_in(folder)
        if len(tables) != 1 or (texts and not self.rows):
            return {}
        return _log_unused(folder, {"train": self._open_all(tables)}, [text.name for text in texts])

    def _plain_texts(self, folder: Path) -> dict[str, tuple[Part, ...]]:
        parts, tables = self._texts(folder), _tables_in(folder)
        if not parts or (tables and self.rows):
            return {}
        return _log_unused(folder, {"train": parts}, [path.name for path in tables])

    def _texts(self, folder: Path) -> tuple[Part, ...]:
        """The .txt files of a folder and of those in it."""
        found = (path for path in sorted(folder.rglob("*.[tT][xX][tT]")) if path.is_file())
        seen = (path for path in found if not any(map(is_hidden, path.relative_to(folder).parts)))
        return tuple(PlainText(path, self.reading.encoding) for path in seen)

    def _class_parts(self, folder: Path, least: int) -> tuple[Part, ...]:
        with_texts = [sub.name for sub in _sub_folders(folder) if has_texts(sub)]
        classes = [name for name in with_texts if name.lower() not in _UNLABELLED_NAMES]
        return (ClassFolders(folder, classes, self.reading),) if len(classes) >= least else ()

    def _unlabelled_folders(self, folder: Path) -> tuple[Part, ...]:
        subs = [sub for sub in _sub_folders(folder) if sub.name.lower() in _UNLABELLED_NAMES and has_texts(sub)]
        return tuple(ClassFolders(sub, ["."], self.reading) for sub in subs)


def is_file_name(name: str) -> bool:
    """Whether a name is that of a file that would be read, and of no data set on the Hub."""
    return data_suffix(name) in (*TABLE_SUFFIXES, ".txt") or name.lower().endswith((*COMPRESSED, ".xlsx", ".xls"))


def _matches(pattern: Path) -> list[str]:
    """The paths that a pattern matches. Brackets in the names of folders that are there stand for themselves."""
    base = next((parent for parent in pattern.parents if parent.is_dir()), Path())
    there = glob.escape(str(base)) if base != Path() else ""
    rest = str(pattern.relative_to(base))
    found = glob.glob(os.path.join(there, rest), recursive=True)
    named = pattern.parts
    return [name for name in found if not any(is_junk(part) and part not in named for part in Path(name).parts)]


def _tables_in(folder: Path) -> list[Path]:
    """The tables of a folder, in order. A .json file is one only if it is the only file of its split."""
    tables = [path for path in _files_in(folder) if data_suffix(path.name) in TABLE_SUFFIXES]
    others = {_split_of(path) for path in tables if data_suffix(path.name) != PLAIN_JSON}
    return [path for path in tables if data_suffix(path.name) != PLAIN_JSON or _split_of(path) not in {None, *others}]


def _json_in(folder: Path) -> list[Path]:
    """The .json files of a folder."""
    return [path for path in _files_in(folder) if data_suffix(path.name) == PLAIN_JSON]


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not is_hidden(path.name) and not path.is_dir())


def _split_of(path: Path) -> str | None:
    """The split that the name of a file or folder begins with: train-00000.parquet, valid.csv, test2.csv, testing."""
    return _SPLIT_OF.get(re.split(r"[-_. \d]", path.name.lower())[0])


def _hub_splits(spec: str) -> dict[str, tuple[Part, ...]]:
    tables = load_from_hub(spec)
    splits = {_SPLIT_OF[name]: (table,) for name, table in tables.items() if name in _SPLIT_OF}
    if not splits:
        raise UserError(f"{spec} has the splits {', '.join(tables)}; expected one of {', '.join(SPLITS)}")
    return _log_unused(spec, splits, [name for name in tables if name not in _SPLIT_OF])


def _has_more_than_unlabelled(splits: Mapping[str, tuple[Part, ...]]) -> bool:
    return any(split in splits for split in SPLITS)


def _sub_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name))


def _log_several(source: object, found: Mapping[str, Sequence[Path]], kind: str) -> None:
    """Logs the splits that several files or folders make up."""
    for split, paths in found.items():
        if len(paths) > 1:
            log.info("%s: %d %s are its %s split: %s", source, len(paths), kind, split, named(paths))


def _log_unused(
    source: object, splits: Mapping[str, tuple[Part, ...]], others: list[str]
) -> dict[str, tuple[Part, ...]]:
    """The splits in their usual order; the names of `others`, which are not used, are logged."""
    if splits and others:
        log.info("%s: %s left out, not one of %s", source, listed(others), ", ".join(SPLITS))
    return {split: splits[split] for split in (*SPLITS, UNLABELLED) if split in splits}


def named(paths: Sequence[Path]) -> str:
    """The names of some files, for a message."""
    return listed([path.name for path in paths])


def listed(names: Sequence[str]) -> str:
    """The first names, for a message."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def split_to_measure(spec: str, reading: ReadOptions, *, rows: bool) -> str:
    """What of data that did not train a model is measured unless a split is named.

    It is the validation or the test split of data that have one; of other data, such as a file, it is all of it.
    `rows` is as for `find_source`.
    """
    splits = find_source(spec, reading, rows=rows).splits
    return next((split for split in ("validation", "test") if split in splits), ALL_SPLITS)


def no_such_split(source: str, wanted: str, there: Sequence[str]) -> UserError:
    """The error for a split that data lack."""
    has = ", ".join(there)
    if wanted == "train":
        return UserError(
            f"{source} has no split 'train'; it has {has}, as the name of a file or folder says: rename that, or "
            "add one"
        )
    return UserError(f"{source} has no split {wanted!r}; it has {has}: name one of these, or give other data")


def log_unused_unlabelled(source: Source) -> None:
    """Logs that the unlabelled texts of a source are not used."""
    for part in source.splits.get(UNLABELLED, ()):
        log.info("%s left out: texts without a label", part.name)
