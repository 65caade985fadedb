"""Files as streams of bytes: compressed ones are unpacked, and what holds no text is named. The first bytes decide."""

import bz2
import functools
import io
import logging
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from rnnnlp.errors import UserError
from rnnnlp.files import SpecialFileError, open_regular

log = logging.getLogger(__name__)

COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
PARQUET = b"PAR1"
HEAD = 4096  # bytes that are enough to know a format
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the latter of an empty archive
_JUNK = ("__macosx", "thumbs.db", "desktop.ini")
LONGEST_LINE = 1 << 24  # characters of a line or a value of a table; the csv module needs many times that memory
MOST_EXPANSION = 50  # times its size that a file may hold; real text is compressed to a third or a tenth
_SMALL = 1 << 24  # bytes that any file may hold, however small it is
_MOST_ZEROS = 1 << 20  # bytes after a compressed stream, as on tapes
_BUFFER, _INPUT = 1 << 17, 1 << 14  # bytes that are unpacked, and read, at a time
_MOST_XZ = 1 << 29  # bytes of memory that xz may need; with its highest setting it needs 65 MB
_DEEPEST = 3  # times that a file may be compressed
_LARGEST_DIRECTORY = 1 << 20  # bytes, of a zip archive: some 10,000 names


class _Streams(io.RawIOBase):
    """What is in a file of compressed streams, one after the other, as `cat` makes them.

    After a stream there may only be another one, or zeros. Python's own classes for bzip2 and xz end silently where a
    stream does not begin as it should, and what follows is lost.

    Args:
        file: The file.
        decompressor: Makes what unpacks one stream, with the interface of `bz2.BZ2Decompressor`.
    """

    def __init__(self, file: Any, decompressor: Callable[[], Any]):
        self._file, self._new = file, decompressor
        self._stream, self._rest = decompressor(), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._stream.eof and not self._next_stream():
                return 0
            if not self._rest and self._stream.needs_input:
                self._rest = self._file.read(_INPUT)
                if not self._rest:
                    raise EOFError("it ends in the middle of a stream")
            content, self._rest = self._stream.decompress(self._rest, len(buffer)), b""
            if content:
                buffer[: len(content)] = content
                return len(content)

    def _next_stream(self) -> bool:
        """Begins the stream after one that has ended; False if there is none."""
        rest = self._stream.unused_data.lstrip(b"\0")
        zeros = 0
        while not rest:
            more = self._file.read(_INPUT)
            if not more:
                return False
            rest = more.lstrip(b"\0")
            zeros += len(more) - len(rest)
            if zeros > _MOST_ZEROS:
                raise EOFError("more zeros follow than any padding has")
        self._stream, self._rest = self._new(), rest
        return True


class _Gunzip:
    """Unpacks one stream of gzip, with the interface of `bz2.BZ2Decompressor`."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)  # with the header and the checksum of gzip
        self.needs_input = True

    def decompress(self, content: bytes, most: int) -> bytes:
        unpacked = self._stream.decompress(self._stream.unconsumed_tail + content, most)
        self.needs_input = len(unpacked) < most and not self._stream.unconsumed_tail
        return unpacked

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data


def _open_streams(decompressor: Callable[[], Any]) -> Callable[[Any], IO[bytes]]:
    return lambda file: io.BufferedReader(_Streams(file, decompressor), _BUFFER)


def _open_zstd(file: Any) -> IO[bytes]:
    import pyarrow

    return io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), "zstd"))  # type: ignore[arg-type]


_OPENERS: dict[bytes, tuple[str, Callable[[Any], Any]]] = {
    b"\x1f\x8b": ("gzip", _open_streams(_Gunzip)),
    b"BZh": ("bzip2", _open_streams(bz2.BZ2Decompressor)),
    b"\xfd7zXZ\0": ("xz", _open_streams(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_XZ))),
    b"\x28\xb5\x2f\xfd": ("zstd", _open_zstd),
}
_UNPACK = "unpack it first"
_REFUSED: dict[bytes, tuple[str, str]] = {
    b"%PDF-": ("a PDF document", "copy its text into a txt file"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": (
        "an old Office file (xls or doc)",
        "save a spreadsheet as csv, a text as txt",
    ),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!\x1a\x07": ("a rar archive", _UNPACK),
    b"\x1f\x9d": ("compressed (.Z)", _UNPACK),
    b"\x04\x22\x4d\x18": ("compressed by lz4", _UNPACK),
    b"SQLite format 3\0": ("a SQLite database", "export the table as csv"),
    b"ARROW1": ("an Arrow (Feather) file", "save it as parquet"),
    b"version https://git-lfs.github.com/spec/": ("a pointer of Git LFS, not the file itself", "run: git lfs pull"),
}
_TAR = b"ustar"
_KNOWN = (*_ZIP, *_OPENERS, *_REFUSED)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's: `.ipynb_checkpoints`, `._1.txt`, `__MACOSX`, `Thumbs.db`."""
    return name.startswith(".") or is_junk(name)


def is_junk(name: str) -> bool:
    """Whether a system leaves files or folders of this name beside data."""
    return name.lower() in _JUNK


class Expansion:
    """Counts what comes out of a file, and refuses more than real data can be.

    Args:
        path: The file.
        size: Its size in bytes.
    """

    def __init__(self, path: str | Path, size: int):
        self._path, self._left = path, max(_SMALL, MOST_EXPANSION * size)

    def count(self, size: int) -> None:
        """Counts some more bytes or characters. `UserError` if they are too many."""
        self._left -= size
        if self._left < 0:
            raise UserError(
                f"{self._path} holds more than {MOST_EXPANSION} times its size, as a decompression bomb does; "
                "if the file is genuine, decompress it first"
            )


class _Counted(io.RawIOBase):
    """A stream whose bytes are counted."""

    def __init__(self, stream: Any, expansion: Expansion):
        self._stream, self._expansion = stream, expansion

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size: int = self._stream.readinto(buffer)
        self._expansion.count(size)
        return size


def special(path: str | Path) -> UserError:
    """The error for a pipe or a device: data are read several times, and come to an end."""
    return UserError(f"{path} is a pipe or a device; expected a file, as it is read several times: save it first")


@contextmanager
def unpacked(path: str | Path, *, as_it_is: bool = False) -> Iterator[tuple[IO[bytes], str]]:
    """Opens a file as a stream with `read` and `peek`, and gives the name of its content: `x.csv` of `x.csv.gz`.

    Args:
        path: The file.
        as_it_is: Take any bytes; only a file that is named as a compressed one is unpacked.

    Raises:
        UserError: If it cannot be read, is not text, or is an archive of anything but one file.
    """
    try:
        with open_regular(path) as file:
            stream, name = _unpack(file, path, as_it_is)
            yield stream, name
    except MemoryError as error:  # a dictionary of gigabytes
        raise _damaged(path, error) from error
    except SpecialFileError as error:
        raise special(path) from error
    except OSError as error:
        if error.errno is not None:
            raise UserError(
                f"cannot read {path}: {error.strerror or error}; check the path and its permissions"
            ) from error
        raise _damaged(path, error) from error
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError) as error:
        raise _damaged(path, error) from error


def check_unpacked(path: str | Path) -> None:
    """Unpacks a compressed file to its end, and keeps nothing. Of any other file only the first bytes are read.

    Raises:
        UserError: As `unpacked`, also where the damage is late in the file or it holds too much.
    """
    with unpacked(path, as_it_is=True) as (stream, _):
        if isinstance(getattr(stream, "raw", None), _Counted):
            while stream.read(_BUFFER):
                pass


def _damaged(path: str | Path, error: Exception) -> UserError:
    reason, remedy = str(error).partition("\n")[0], "it is damaged: download or copy it again"
    if "encrypted" in reason:
        reason, remedy = "it is encrypted", _UNPACK
    elif isinstance(error, MemoryError):
        reason, remedy = "it takes too much memory", _UNPACK
    return UserError(f"{path} cannot be unpacked ({reason}); {remedy}")


def refuse_compressed(head: bytes, name: str) -> None:
    """Names a stream that is not a file and is compressed. `UserError` if it is."""
    kinds = {magic: kind for magic, (kind, _) in _OPENERS.items()} | dict.fromkeys(_ZIP, "zip")
    for magic, kind in kinds.items():
        if head.startswith(magic):
            raise UserError(f"{name} is compressed by {kind}; expected text: {_UNPACK}, or give the file by its name")


def _unpack(stream: Any, path: str | Path, as_it_is: bool) -> tuple[IO[bytes], str]:
    name = os.path.basename(path)
    file = stream
    for depth in range(_DEEPEST + 1):
        head = stream.peek(HEAD)[:HEAD]
        if not head.startswith(_KNOWN) and head[257:262] != _TAR:
            return stream, name  # soon, as there may be thousands of small files
        if as_it_is and not name.lower().endswith(COMPRESSED):
            return stream, name
        if head.startswith(_ZIP) and depth:
            raise refused(path, "a zip archive that is compressed once more", _UNPACK)
        if head.startswith(_ZIP):
            stream, name = _only_member(stream, path)
        elif found := next((_OPENERS[magic] for magic in _OPENERS if head.startswith(magic)), None):
            kind, opener = found
            _log_unpacked(str(path), kind)
            stream, name = opener(stream), _without_suffix(name)
        else:
            if not as_it_is:
                _refuse(head, path)
            return stream, name
        stream = io.BufferedReader(_Counted(stream, Expansion(path, os.fstat(file.fileno()).st_size)), _BUFFER)
    raise refused(path, f"compressed more than {_DEEPEST} times", _UNPACK)


@functools.lru_cache(maxsize=1000)
def _log_unpacked(name: str, kind: str) -> None:
    """Cached, so a file that is read several times is named once."""
    log.info("%s: compressed by %s; its content is read", name, kind)


def _without_suffix(name: str) -> str:
    return name.rpartition(".")[0] if name.lower().endswith(COMPRESSED) else name


def _refuse(head: bytes, path: str | Path) -> None:
    for magic, (what, remedy) in _REFUSED.items():
        if head.startswith(magic):
            raise refused(path, what, remedy)
    if head[257:262] == _TAR:
        raise refused(path, "a tar archive", f"{_UNPACK}, and give the folder")


def refused(path: str | Path, what: str, remedy: str) -> UserError:
    """The error for a file that is neither text nor a table."""
    return UserError(f"{path} is {what}; expected text or a table: {remedy}")


def _only_member(file: Any, path: str | Path) -> tuple[IO[bytes], str]:
    """The only data file of a zip archive, and its name."""
    if _directory_size(file) > _LARGEST_DIRECTORY:
        raise _no_single_file(path, "thousands of", "")
    archive = zipfile.ZipFile(file)
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if any(name.startswith("xl/") for name in names):
        raise refused(path, "a spreadsheet (xlsx)", "save it as csv")
    if any(name.startswith("word/") for name in names):
        raise refused(path, "a Word document (docx)", "save it as plain text")
    if "mimetype" in names and _member(archive, "mimetype", path).read(HEAD).startswith(b"application/"):
        raise refused(path, "an office document or a book", "save it as csv or plain text")
    data = [name for name in names if not any(map(is_hidden, PurePosixPath(name).parts))]
    if len(data) != 1:
        some = f" ({', '.join(data[:3])}{', ...' if len(data) > 3 else ''})" if data else ""
        raise _no_single_file(path, str(len(data)), some)
    member = _member(archive, data[0], path)
    _log_unpacked(str(path), f"zip, with {data[0]} in it")
    return member, PurePosixPath(data[0]).name


def _member(archive: zipfile.ZipFile, name: str, path: str | Path) -> IO[bytes]:
    """A file in a zip archive."""
    if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # `zipfile` unpacks it without a limit
        raise refused(path, "a zip archive with an unusual compression", _UNPACK)
    try:
        return archive.open(name)
    except RuntimeError as error:  # encrypted
        raise _damaged(path, error) from error


def _no_single_file(path: str | Path, number: str, some: str) -> UserError:
    return UserError(f"{path} is a zip archive of {number} files{some}; expected one: {_UNPACK}, and give the folder")


def _directory_size(file: Any) -> int:
    """The size of the directory at the end of a zip archive, which `zipfile` would read as a whole.

    Where the end has a 32-bit and a 64-bit size, `zipfile` may take either, so the larger one counts.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - (1 << 16) - 200))
    tail = file.read()
    file.seek(0)
    found = 0
    for at in {len(tail) - 22, tail.rfind(b"PK\5\6")} - {-1}:
        has_64_bits = tail[at - 20 : at].startswith(b"PK\6\7")
        if has_64_bits:
            found = max(found, int.from_bytes(tail[at - 36 : at - 28], "little"))
        of_32_bits = tail[at + 12 : at + 16]
        if tail[at:].startswith(b"PK\5\6") and not (has_64_bits and of_32_bits == b"\xff" * 4):
            found = max(found, int.from_bytes(of_32_bits, "little"))
    return found


def first_bytes(path: str | Path) -> tuple[bytes, str]:
    """The first bytes of what is in a file, and the name of that; the file's own name and nothing if it is unreadable.

    Raises:
        UserError: If it is neither text nor a table.
    """
    try:
        open_regular(path).close()
    except OSError:
        return b"", os.path.basename(path)  # who reads it says why
    with unpacked(path) as (stream, name):
        return stream.peek(HEAD)[:HEAD], name  # type: ignore[attr-defined]


def data_suffix(name: str) -> str:
    """The suffix of a name in lower case, without that of a compressed file: .csv of reviews.csv.gz."""
    return PurePosixPath(_without_suffix(name.lower())).suffix
