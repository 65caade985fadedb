"""Files of tensors, in the safetensors format, with checksums.

A file has a manifest in its metadata: the SHA-256 of its tensors, and of the files that belong to it. One rename
replaces the weights together with their checksums, so every later change is detected.
"""

import errno
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np

from rnnnlp.errors import UserError
from rnnnlp.files import CorruptFileError, open_regular, require_file, size_and_sha256, unreadable, write_atomically

MANIFEST = "manifest"  # the only key of the metadata, because safetensors writes several keys in any order
TENSORS = "tensors"  # the key of the tensors in the manifest; the other keys are names of files
HEADER_LIMIT = 1 << 22  # bytes that describe the tensors of a file: more than 20,000 of them
_SMALL = 1 << 24  # bytes; of a larger file, at least a part must be on the disk
_PART = 1 / 64
_DTYPES = {  # names of safetensors
    **{"F16": np.float16, "F32": np.float32, "F64": np.float64, "BOOL": np.bool_},
    **{"I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64},
    **{"U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64},
}


def save_tensors(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    *,
    beside: Iterable[str] = (),
    new: Mapping[str, bytes] = MappingProxyType({}),
    sync: bool = True,
) -> None:
    """Writes a safetensors file with checksums, whole or not at all.

    Args:
        path: The file.
        tensors: The arrays, by name.
        beside: Names of files in the same folder whose checksums are also stored.
        new: The content that some of these files get after this call; from now on they may have the old or the new one.
        sync: Whether to wait for the disk, as in `write_atomically`.

    Raises:
        WriteError: If it cannot be written.
        UserError: If there are more tensors or files than are read again.
    """
    from safetensors.numpy import save

    # safetensors writes the memory of an array as it is, so a transposed view would be read back wrong.
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    manifest: dict[str, Any] = {name: _size_and_sha256(path.parent / name) for name in beside}
    for name, content in new.items():
        manifest[name] += [len(content), hashlib.sha256(content).hexdigest()]
    manifest[TENSORS] = _sha256_of_tensors(tensors)
    content = save(tensors, {MANIFEST: json.dumps(manifest)})
    if (size := int.from_bytes(content[:8], "little")) > HEADER_LIMIT:
        raise UserError(
            f"{path.name} would have a header of {size} bytes, and at most {HEADER_LIMIT} are read again; "
            "give a model of fewer layers or members"
        )
    write_atomically(path, content, sync=sync)


def load_tensors(
    path: Path, *, beside: Iterable[str] = (), check: Callable[[int], None] = lambda number: None
) -> dict[str, np.ndarray]:
    """Reads what `save_tensors` wrote, and checks it.

    Args:
        path: The file.
        beside: Names of the files whose checksums it stores.
        check: Called with the number of values of all tensors, before any is read; it may refuse them.

    Returns:
        The tensors, as private maps of the file: what changes them does not change the file.

    Raises:
        CorruptFileError: If it or one of those files is missing, damaged, or not the one that was saved.
    """
    from safetensors import SafetensorError, safe_open

    require_file(path)
    try:
        with open_regular(path) as file:
            size, header = _header(file)
            with safe_open(path, "numpy") as checked:  # no tensor overlaps another, and the file has their size
                manifest = json.loads((checked.metadata() or {}).get(MANIFEST, "null"))
            check(sum(math.prod(entry["shape"]) for entry in header.values()))
            values = _mapped(file, size)
            tensors = {name: _tensor(values, entry) for name, entry in sorted(header.items())}
    except UserError:
        raise
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
    _require_checksums(path, manifest, tensors, tuple(beside))
    return tensors


def _require_checksums(path: Path, manifest: Any, tensors: Mapping[str, np.ndarray], beside: Sequence[str]) -> None:
    """Checks a file and those beside it against its manifest.

    Raises:
        CorruptFileError: If a checksum is missing or differs.
    """
    if not isinstance(manifest, dict) or set(manifest) != {TENSORS, *beside}:
        raise CorruptFileError(f"{path} does not have the checksums that rnnnlp writes; restore it or train again")
    if manifest[TENSORS] != _sha256_of_tensors(tensors):
        raise CorruptFileError(f"{path} is damaged: its checksum is not the one in it; restore it or train again")
    for name in beside:
        other = path.parent / name
        require_file(other)
        try:
            is_unchanged = _is_unchanged(other, manifest[name])
        except OSError as error:
            raise unreadable(other, error) from None
        if not is_unchanged:
            raise CorruptFileError(
                f"{other} is not the file that {path.name} was saved with: its checksum differs; "
                "restore it or train again"
            )


def number_of_values(path: Path) -> int:
    """The number of values of all tensors in a file. Only the header is read.

    Raises:
        CorruptFileError: If the file is missing, or its header is damaged.
    """
    require_file(path)
    try:
        with open_regular(path) as file:
            return sum(math.prod(entry["shape"]) for entry in _header(file)[1].values())
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        raise CorruptFileError(f"{path} is damaged ({error}); restore it or train again") from None


def _header(file: BinaryIO) -> tuple[int, dict[str, Any]]:
    """The size of the header of a safetensors file, and for each tensor its dtype, shape and place.

    Raises:
        ValueError: If it is larger than any that `save_tensors` writes, or most of the file is not on the disk.
    """
    size = int.from_bytes(file.read(8), "little")
    if size > HEADER_LIMIT:
        raise ValueError(f"its header has {size} bytes")
    header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    _require_content(file)
    return size, header


def _require_content(file: BinaryIO) -> None:
    """ValueError for a large file that is nearly all holes: it takes no space on the disk, but much time and memory."""
    size = os.fstat(file.fileno()).st_size
    if size <= _SMALL or not hasattr(os, "SEEK_HOLE"):
        return
    content = at = 0
    try:
        while content < _PART * size:
            at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            hole = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            content, at = content + hole - at, hole
    except OSError as error:
        if error.errno == errno.ENXIO:  # only holes are left
            raise ValueError(f"only {content} of its {size} bytes are there") from None


def _mapped(file: BinaryIO, header: int) -> np.ndarray:
    """The bytes behind the header, mapped so that changes stay in memory."""
    if os.fstat(file.fileno()).st_size <= 8 + header:
        return np.empty(0, np.uint8)
    return np.asarray(np.memmap(file, np.uint8, "c", 8 + header))


def _tensor(values: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
    """The tensor of an entry of the header, in the bytes behind it."""
    start, stop = entry["data_offsets"]
    return values[start:stop].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])


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


def _size_and_sha256(path: Path) -> list[Any]:
    with open_regular(path) as file:
        return size_and_sha256(file)


def _is_unchanged(path: Path, recorded: Any) -> bool:
    """Whether size and checksum of a file are among those recorded. A file of another size is not read."""
    if not isinstance(recorded, list) or path.stat().st_size not in recorded[::2]:
        return False
    return _size_and_sha256(path) in (recorded[:2], recorded[2:])
