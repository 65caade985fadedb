"""Many files, an output for each: options and order of `predict --files` and `evaluate --files`.

The files may be shared out among any number of processes, which need not know of each other. An output is written whole
or not at all, and one that is there is not made again, so a command that was stopped goes on where it was.
"""

import argparse
import glob
import json
import logging
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError, option

MODEL = "model.json"  # in the folder of the outputs: the digest of the model that makes them, and options

log = logging.getLogger(__name__)


def add_files_options(parser: argparse.ArgumentParser, made: str) -> None:
    """Adds the options; `made` says what is made of each file."""
    parser.add_argument(
        "--files",
        nargs="+",
        metavar="FILE",
        help=f"many files, or quoted patterns such as 'in/*.parquet': write {made} for each into the folder --out; "
        "existing outputs are kept, so the same command continues where it was stopped",
    )
    parser.add_argument(
        "--part",
        metavar="K/N",
        help="with --files: only part K of N of the files, for N processes that work side by side (default: under "
        "mpiexec the part of each process, else all)",
    )


def files_to_do(
    options: argparse.Namespace, suffix: str, model: Path, version: tuple[int, ...], *decisive: str
) -> Iterator[tuple[str, Path]]:
    """The files of this process whose output is not there yet, and where it goes.

    Args:
        options: Those of the command.
        suffix: Of the outputs.
        model: The folder of the model.
        version: That of its weights (`version_of_weights`) before the model was opened.
        decisive: Options that change the outputs, beside those that say how files are read.

    Raises:
        UserError: If there is no file, two have one name, the outputs there are of another model, or the model has had
            other weights since.
    """
    from rnnnlp.text import ReadOptions

    outputs = outputs_of_files(options, suffix)
    number, parts = part_of_files(options.part)
    reading = ReadOptions.of(options)
    read = {f.name: value for f in fields(reading) if (value := getattr(reading, f.name)) != f.default}
    made = {name: getattr(options, name) for name in decisive} | read
    out = Path(os.path.expanduser(options.out))
    _require_same(out, model, version, made)
    own = list(outputs)[number - 1 :: parts]
    _remove_unfinished(out, [outputs[file] for file in own])
    left = [file for file in own if not outputs[file].exists()]
    log.info("part %d of %d: %d files, %d of them done before", number, parts, len(own), len(own) - len(left))
    for file in left:
        yield file, outputs[file]


def outputs_of_files(options: argparse.Namespace, suffix: str) -> dict[str, Path]:
    """All files, sorted, and where the output of each goes.

    Raises:
        UserError: If there is no file, two have one name, or an output would have the name of MODEL.
    """
    files = _found(options.files)
    out = Path(os.path.expanduser(options.out))
    outputs = {file: out / f"{os.path.basename(file)}{suffix}" for file in files}
    if len({folded(output.name) for output in outputs.values()}) < len(files):
        raise UserError(
            f"{option('files')}: two files have names that differ at most in case or in how an accent is written, and "
            "so one output; rename one, or give them one folder at a time"
        )
    for file, output in outputs.items():
        if folded(output.name) == MODEL:
            raise UserError(
                f"{option('files')}: the output of {file} would be {MODEL}, which has the digest of the model; rename "
                "that file"
            )
    return outputs


def folded(name: str) -> str:
    """The same for all names that are one file on Windows or macOS, whose disks do not tell upper from lower case."""
    return unicodedata.normalize("NFC", name).lower()


def require_files(options: argparse.Namespace, *others: str) -> bool:
    """Whether there are `--files`, which go with `--out`, and not with `others`; UserError for a mistake."""
    if options.files is None:
        if options.part is not None:
            raise UserError(f"{option('part')} is {options.part} without {option('files')}; give both")
        return False
    for name in others:
        value = getattr(options, name)
        if value is not None and value is not False:  # 0 is a value
            raise UserError(f"{option(name)} means nothing beside {option('files')}; leave it out")
    if options.out is None:
        raise UserError(f"{option('files')} needs a folder for the outputs; give {option('out')}")
    return True


def _found(patterns: list[str]) -> list[str]:
    """The files that patterns name, sorted."""
    files = []
    for pattern in patterns:
        place = os.path.expanduser(pattern)
        found = [place] if os.path.isfile(place) else filter(os.path.isfile, glob.glob(place, recursive=True))
        if not (named := list(found)):
            raise UserError(f"{option('files')} {pattern}: there is no such file; give files, or a pattern in quotes")
        files += named
    return sorted(set(files))


def part_of_files(given: str | None) -> tuple[int, int]:
    """The number of the part from 1, and the number of parts."""
    from rnnnlp.training.launcher import launched_processes, launched_rank, slurm_processes, slurm_rank

    if given is None and (processes := launched_processes()) > 1:
        return launched_rank() + 1, processes
    if given is None:  # Slurm also starts processes that know nothing of MPI
        return slurm_rank() + 1, slurm_processes()
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", given)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UserError(f"{option('part')} is {given}; it must be K/N with K from 1 to N, such as 3/64")
    return int(match[1]), int(match[2])


def _require_same(out: Path, model: Path, version: tuple[int, ...], decisive: Mapping[str, Any]) -> None:
    """Notes in the folder of the outputs which model and options make them; UserError if it has noted others."""
    from rnnnlp.files import create_atomically, writing
    from rnnnlp.folders import make_folder
    from rnnnlp.training.model_folder import digest_of_model, version_of_weights

    content = json.dumps({"model_sha256": digest_of_model(model), **decisive}).encode()
    if version_of_weights(model) != version:
        raise UserError(f"{model} got other weights while it was opened; give the same command again")
    with writing(out):
        make_folder(out)
    path = out / MODEL
    if not path.exists() and create_atomically(path, content):
        return
    if path.read_bytes() != content:  # it was there, or another process was faster
        raise UserError(
            f"{option('out')} {out} has outputs of another model or of other options; give another folder, or empty it"
        )


def _remove_unfinished(out: Path, outputs: Iterable[Path]) -> None:
    """Removes what killed processes had written of these outputs."""
    from rnnnlp.files import TEMPORARY, temporary_name

    beginnings = {_beginning(temporary_name(output)) for output in outputs}
    for path in out.iterdir():
        if re.fullmatch(TEMPORARY, path.name) and _beginning(path) in beginnings and _is_abandoned(path):
            with suppress(OSError):  # another process was faster, or it may not be removed
                path.unlink()


def _beginning(temporary: Path) -> str:
    """The part of a temporary name that comes from the name of the output."""
    return temporary.name.rsplit(".", 2)[0]


def _is_abandoned(path: Path) -> bool:
    """Whether no process writes a file any more: `output_file` locks it. False where there are no locks."""
    from rnnnlp import locks
    from rnnnlp.files import open_inside

    try:
        descriptor = open_inside(path, os.O_RDWR)
    except (OSError, UserError):
        return False
    try:
        locks.take(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
