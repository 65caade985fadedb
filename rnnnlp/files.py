"""Files and folders that are written whole or not at all, and checked when they are read.

A safetensors file has a manifest in its metadata: the SHA-256 of its tensors, and of the files that belong to it. One
rename replaces the weights together with their checksums, so every later change is detected.
"""

import errno
import hashlib
import json
import math
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, BinaryIO

import numpy as np

from rnnnlp.errors import UserError

MANIFEST = "manifest"  # the only key of the metadata, because safetensors writes several keys in any order
TENSORS = "tensors"  # the key of the tensors in the manifest; the other keys are names of files
JSON_LIMIT, TOKENIZER_LIMIT = 1 << 24, 1 << 26  # bytes; larger files are neither written nor read
MOST_PARTS = 100_000  # objects and lists in a JSON file
HEADER_LIMIT = 1 << 22  # bytes that describe the tensors of a file: more than 20,000 of them
_SMALL = 1 << 24  # bytes; of a larger file, at least a part must be on the disk
_PART = 1 / 64
_DTYPES = {  # names of safetensors
    **{"F16": np.float16, "F32": np.float32, "F64": np.float64, "BOOL": np.bool_},
    **{"I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64},
    **{"U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64},
}
_PATIENCE = 1.0 if os.name == "nt" else 0.0  # seconds: Windows replaces no file that a program has open
REMEDIES = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room on that disk",
    errno.EFBIG: "make room on that disk",
}
# Flags with which no pipe is waited for and no child inherits the file, and no link is followed; Windows lacks some.
_NOT_WAITING = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
GUARDED = _NOT_WAITING | getattr(os, "O_NOFOLLOW", 0)
TEMPORARY = r"\.[^/]{0,40}\.[0-9a-f]{16}\.tmp"  # the names that `temporary_name` gives


# Files that this process has open, by number; to open these names again would empty them.
_OPENED = re.compile(r"/dev/(stdout|stderr)|(?:/dev/fd|/proc/self/fd)/([0-9]{1,9})", re.ASCII)


class CorruptFileError(UserError):
    """A file of a model or a checkpoint is missing or damaged, or another file has taken its place."""


class SpecialFileError(OSError):
    """A pipe or a device stands where a file is expected."""


class WriteError(UserError):
    """A file cannot be written: the disk is full, or there is no permission."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A context that turns an `OSError` into a `WriteError`, which names `path`, the reason and the remedy.

    A `RecursionError` comes from folders that are nested too deeply.
    """
    try:
        yield
    except (OSError, RecursionError) as error:
        number, reason = (error.errno or 0, error.strerror) if isinstance(error, OSError) else (0, "too deep")
        remedy = REMEDIES.get(number, "make it writable, or use another folder")
        raise WriteError(f"{path} cannot be written ({reason or error}); {remedy}") from None


def temporary_name(path: Path) -> Path:
    """A name beside `path` that nobody can guess, for what will be renamed to `path`."""
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")


def open_inside(path: Path, flags: int) -> int:
    """Opens a file in a folder that may have come from elsewhere. A link in its place is not followed.

    Args:
        path: The file.
        flags: Of `os.open`, such as `os.O_RDWR | os.O_CREAT`.

    Returns:
        The descriptor.

    Raises:
        UserError: If there is a link, a pipe, a device or a folder.
        OSError: If it cannot be opened.
    """
    descriptor = None
    try:
        descriptor = os.open(path, flags | GUARDED, 0o666)
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        if not os.path.lexists(path) or stat.S_ISREG(os.lstat(path).st_mode):
            raise
        is_file = False
    if not is_file:
        if descriptor is not None:
            os.close(descriptor)
        raise UserError(f"{path} is a link, a folder or a special file; a regular file is expected: remove it")
    assert descriptor is not None
    return descriptor


def own_folder(path: Path) -> Path:
    """`path`, a folder inside of another one that may have come from elsewhere.

    Raises:
        UserError: If there is a link.
    """
    if path.is_symlink():
        raise UserError(f"{path} is a link to another folder, which is not followed: put the folder itself there")
    return path


def write_atomically(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Writes a file so that `path` has either the old or the new content, even if the process or the machine stops.

    Args:
        path: The file.
        content: Its new content.
        sync: Whether to wait for the disk. Files in a folder that is then synced as a whole need not wait.

    Raises:
        WriteError: If it cannot be written; `path` then has the old content.
    """
    with writing(path), _replaced(path, sync=sync) as file:
        file.write(content)


@contextmanager
def _replaced(path: Path, *, sync: bool, mode: int | None = None) -> Iterator[IO[bytes]]:
    """A context that gives a temporary file, which becomes `path` if nothing fails; `mode` is its permissions."""
    temporary = temporary_name(path)
    try:
        with open(open_inside(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        replace(temporary, path)
        if sync:
            sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replace(source: Path, target: Path) -> None:
    """Renames a file, and replaces `target`. On Windows, it waits a moment for others that have `target` open."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)


def open_regular(path: str | Path, *, follow_links: bool = True) -> BinaryIO:
    """Opens a file to read. A pipe is not waited for, and a device, which may have no end, is not read.

    Raises:
        OSError: If it is not a regular file, a link where none is followed, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | (_NOT_WAITING if follow_links else GUARDED))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise SpecialFileError(errno.EINVAL, "it is a pipe or a device", str(path))
    return open(descriptor, "rb")


@contextmanager
def replaced_file(path: Path, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """A context that gives a file for the output of a command. `path` has the old content until it is left.

    `sync` is whether to wait for the disk.

    Pipes, devices, and files in a folder without write permission are written directly, and `/dev/stdout` continues
    what was printed before. A link stays, and what it links to changes.

    Raises:
        OSError: If it cannot be written.
    """
    if opened := _OPENED.fullmatch(str(path)):
        names = {"stdout": 1, "stderr": 2}
        with open(os.dup(names.get(opened[1]) or int(opened[2])), "wb") as file:
            yield file
        return
    real = Path(os.path.realpath(path))
    exists = os.path.exists(path)  # `real` does not exist if it is the name of a pipe in /proc
    if exists and not (os.path.isfile(path) and os.access(real.parent, os.W_OK)):
        with open(path, "wb") as file:
            yield file
        return
    with _replaced(real, sync=sync, mode=stat.S_IMODE(real.stat().st_mode) if exists else None) as file:
        yield file


def sync_folder(path: Path) -> None:
    """Waits until the names in a folder are on the disk, on systems that can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot
            raise
    finally:
        os.close(descriptor)


def unreadable(path: Path, error: OSError) -> CorruptFileError:
    """The error for what this user may not read, or the disk does not give."""
    return CorruptFileError(f"{path} cannot be read ({error.strerror}); make it readable, or give another folder")


def require_file(path: Path, limit: int | None = None) -> None:
    """Checks that `path` is a file.

    Args:
        path: The file.
        limit: Maximum size in bytes; None means no limit.

    Raises:
        CorruptFileError: If it is missing, larger, or cannot be read.
    """
    try:
        found = path.stat()
    except PermissionError as error:
        raise unreadable(path, error) from None
    except OSError:
        found = None
    if found is None or not stat.S_ISREG(found.st_mode):
        raise CorruptFileError(f"{path} is missing; the folder does not hold a (complete) model: give another one")
    if limit is not None and found.st_size > limit:
        raise CorruptFileError(f"{path} is damaged (it has {found.st_size} bytes); restore it or train again")


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
        with open_regular(path) as file:
            content = file.read(JSON_LIMIT)
        if (parts := parts_of(content)) > MOST_PARTS:
            raise ValueError(f"it has {parts} parts")
        return json.loads(content, object_pairs_hook=without_duplicates)
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path} is damaged ({error}); restore it or train again") from None


def parts_of(content: bytes) -> int:
    """An upper bound of the number of objects and lists in a JSON file: brackets in strings count, too."""
    return content.count(b"{") + content.count(b"[")


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


def size_and_sha256(file: BinaryIO) -> list[Any]:
    """The size and the SHA-256 digest of an open file."""
    return [os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()]  # type: ignore[arg-type]


def _size_and_sha256(path: Path) -> list[Any]:
    with open_regular(path) as file:
        return size_and_sha256(file)


def _is_unchanged(path: Path, recorded: Any) -> bool:
    """Whether size and checksum of a file are among those recorded. A file of another size is not read."""
    if not isinstance(recorded, list) or path.stat().st_size not in recorded[::2]:
        return False
    return _size_and_sha256(path) in (recorded[:2], recorded[2:])
