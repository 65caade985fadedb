"""Files and folders that are written whole or not at all, and checked when they are read.

A safetensors file has a manifest in its metadata: the SHA-256 of its tensors, and of the files that belong to it. One
rename replaces the weights together with their checksums, so every later change is detected.
"""

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from rnnnlp.errors import UserError

MANIFEST = "manifest"  # the only key of the metadata, because safetensors writes several keys in any order
TENSORS = "tensors"  # the key of the tensors in the manifest; the other keys are names of files
JSON_LIMIT, TOKENIZER_LIMIT = 1 << 24, 1 << 26  # bytes; larger files are not read
REMEDIES = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room on that disk",
    errno.EFBIG: "make room on that disk",
}


class CorruptFileError(UserError):
    """A file of a model or a checkpoint is missing or damaged, or another file has taken its place."""


class SpecialFileError(OSError):
    """A pipe or a device stands where a file is expected."""


class WriteError(UserError):
    """A file cannot be written: the disk is full, or there is no permission."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A context that turns an `OSError` into a `WriteError`, which names `path`, the reason and the remedy."""
    try:
        yield
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0, "make it writable, or use another folder")
        raise WriteError(f"{path} cannot be written ({error.strerror or error}); {remedy}") from None


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file so that `path` has either the old or the new content, even if the process or the machine stops.

    Raises:
        WriteError: If it cannot be written; `path` then has the old content.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def open_regular(path: Path, *, follow_links: bool = True) -> BufferedReader:
    """Opens a file to read. A pipe is not waited for, and a device, which may have no end, is not read.

    Raises:
        OSError: If it is no regular file, a link where none is followed, or cannot be read.
    """
    more = getattr(os, "O_NONBLOCK", 0) | (0 if follow_links else getattr(os, "O_NOFOLLOW", 0))
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | more))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise SpecialFileError(errno.EINVAL, "it is a pipe or a device", str(path))
    return file


def sync(path: Path) -> None:
    """Waits until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_folder(temporary: Path, final: Path) -> None:
    """Renames a filled folder so that `final` is either missing or complete, even if the process or the machine stops.

    Args:
        temporary: The folder with its content, on the same disk.
        final: Its new name.

    Raises:
        OSError: If `final` exists and is not empty, or cannot be written.
    """
    for path in [*temporary.rglob("*"), temporary]:
        sync(path)
    temporary.rename(final)
    sync(final.parent)


def remove(path: Path) -> None:
    """Removes a file, or a folder with all its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def require_file(path: Path, limit: int | None = None) -> None:
    """Checks that `path` is a file.

    Args:
        path: The file.
        limit: Maximum size in bytes; None means no limit.

    Raises:
        CorruptFileError: If it is missing or larger.
    """
    if not path.is_file():
        raise CorruptFileError(f"{path} is missing; the folder does not hold a (complete) model: give another one")
    if limit is not None and path.stat().st_size > limit:
        raise CorruptFileError(f"{path} is damaged (it has {path.stat().st_size} bytes); restore it or train again")


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        CorruptFileError: If it is missing or damaged, or has a key twice.
    """

    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            raise ValueError("it has a key twice")
        return content

    require_file(path, JSON_LIMIT)
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=without_duplicates)
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path} is damaged ({error}); restore it or train again") from None


def save_tensors(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    *,
    beside: Iterable[str] = (),
    new: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Writes a safetensors file with checksums, whole or not at all.

    Args:
        path: The file.
        tensors: The arrays, by name.
        beside: Names of files in the same folder whose checksums are also stored.
        new: The content that some of these files get after this call; from now on they may have the old or the new one.

    Raises:
        WriteError: If it cannot be written.
    """
    from safetensors.numpy import save

    # safetensors writes the memory of an array as it is, so a transposed view would be read back wrong.
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    manifest: dict[str, Any] = {name: _size_and_sha256(path.parent / name) for name in beside}
    for name, content in new.items():
        manifest[name] += [len(content), hashlib.sha256(content).hexdigest()]
    manifest[TENSORS] = _sha256_of_tensors(tensors)
    write_atomically(path, save(tensors, {MANIFEST: json.dumps(manifest)}))


def load_tensors(path: Path, *, beside: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Reads what `save_tensors` wrote, and checks it.

    Args:
        path: The file.
        beside: Names of the files whose checksums it stores.

    Raises:
        CorruptFileError: If it or one of those files is missing, damaged, or not the one that was saved.
    """
    from safetensors import SafetensorError, safe_open

    require_file(path)
    try:
        with safe_open(path, "numpy") as file:
            manifest = json.loads((file.metadata() or {}).get(MANIFEST, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OSError,
        MemoryError,
        RecursionError,
    ) as error:
        raise CorruptFileError(f"{path} is damaged ({error}); restore it or train again") from None
    if not isinstance(manifest, dict) or set(manifest) != {TENSORS, *beside}:
        raise CorruptFileError(f"{path} does not have the checksums that rnnnlp writes; restore it or train again")
    if manifest[TENSORS] != _sha256_of_tensors(tensors):
        raise CorruptFileError(f"{path} is damaged: its checksum is not the one in it; restore it or train again")
    for name in beside:
        other = path.parent / name
        require_file(other)
        if not _is_unchanged(other, manifest[name]):
            raise CorruptFileError(
                f"{other} is not the file that {path.name} was saved with: its checksum differs; "
                "restore it or train again"
            )
    return tensors


def set_tensors(arrays: Mapping[str, np.ndarray], tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Copies tensors into arrays.

    Args:
        arrays: The arrays to change, by name.
        tensors: Their new values, by name.
        path: The file of the tensors, for messages.

    Raises:
        UserError: If names, shapes or dtypes differ, or a value is not finite.
    """
    for name in sorted(set(arrays) ^ set(tensors)):
        state = "is missing" if name in arrays else "does not belong to this model"
        raise UserError(f"{path}: tensor {name} {state}; it and config.json are not of the same model: restore both")
    for name, array in arrays.items():
        tensor = tensors[name]
        if tensor.shape != array.shape or tensor.dtype != array.dtype:
            raise UserError(
                f"{path}: tensor {name} is {tensor.dtype} {tensor.shape} and must be {array.dtype} {array.shape}; "
                "it and config.json are not of the same model: restore both"
            )
        if not np.isfinite(tensor).all():
            raise CorruptFileError(f"{path}: tensor {name} has values that are not finite; restore it or train again")
        array[...] = tensor


def _sha256_of_tensors(tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name!r} {tensor.dtype.str} {tensor.shape}\n".encode("utf-8", "surrogatepass"))
        digest.update(np.ascontiguousarray(tensor).data)
    return digest.hexdigest()


def size_and_sha256(file: BufferedReader) -> list[Any]:
    """The size and the SHA-256 digest of an open file."""
    return [os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()]


def _size_and_sha256(path: Path) -> list[Any]:
    with open_regular(path) as file:
        return size_and_sha256(file)


def _is_unchanged(path: Path, recorded: Any) -> bool:
    """Whether size and checksum of a file are among those recorded. A file of another size is not read."""
    if not isinstance(recorded, list) or path.stat().st_size not in recorded[::2]:
        return False
    return _size_and_sha256(path) in (recorded[:2], recorded[2:])
