"""Entries of the cache: verified when they are opened, written again when damaged, shared as the umask says."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rnnnlp.files import open_regular
from rnnnlp.text import encode_corpus, load_corpus
from rnnnlp.text.cache import cached

TEXT = "It was the best of times, it was the worst of times.\n" * 40


def replace(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def forge(entry: Path, name: str, content: bytes) -> None:
    """Another content, with the right checksum."""
    (entry / name).write_bytes(content)
    manifest = json.loads((entry / "manifest.json").read_bytes())
    manifest["files"][name] = [len(content), hashlib.sha256(content).hexdigest()]
    (entry / "manifest.json").write_text(json.dumps(manifest))


def move_and_link(entry: Path) -> None:
    entry.rename(elsewhere := entry.with_name(f"{entry.name} elsewhere"))
    entry.symlink_to(elsewhere)


def ids_of(entry: Path) -> bytes:
    return (entry / "ids.bin").read_bytes()


DAMAGES = {
    "a bit": lambda entry: flip(entry / "ids.bin", 9),
    "the last bit": lambda entry: flip(entry / "ids.bin", -1),
    "zeros at the end": lambda entry: replace(entry / "ids.bin", ids_of(entry)[:99] + bytes(len(ids_of(entry)) - 99)),
    "cut": lambda entry: os.truncate(entry / "ids.bin", 99),
    "longer": lambda entry: replace(entry / "ids.bin", ids_of(entry) + b"\1"),
    "empty": lambda entry: replace(entry / "ids.bin", b""),
    "enormous": lambda entry: os.truncate(entry / "ids.bin", 1 << 40),
    "another kind of number": lambda entry: replace(entry / "ids.bin", np.zeros(99).tobytes()),
    "no ids": lambda entry: (entry / "ids.bin").unlink(),
    "a device": lambda entry: link(entry / "ids.bin", "/dev/zero"),
    "a link": lambda entry: link(entry / "ids.bin", "/etc/passwd"),
    "a link to itself": lambda entry: link(entry / "ids.bin", "ids.bin"),
    "a pipe": lambda entry: as_pipe(entry / "ids.bin"),
    "a manifest that is a pipe": lambda entry: as_pipe(entry / "manifest.json"),
    "no manifest": lambda entry: (entry / "manifest.json").unlink(),
    "an empty manifest": lambda entry: replace(entry / "manifest.json", b"{}"),
    "a manifest of something else": lambda entry: replace(
        entry / "manifest.json", b'{"ids.bin": 3, "unknown.json": []}'
    ),
    "another entry": lambda entry: replace(
        entry / "manifest.json", (entry / "manifest.json").read_bytes().replace(entry.name.encode(), b"0" * 32)
    ),
    "one key more": lambda entry: replace(
        entry / "manifest.json", (entry / "manifest.json").read_bytes().replace(b"{", b'{"more": 1, ', 1)
    ),
    "a nested manifest": lambda entry: replace(entry / "manifest.json", b"[" * 60_000),
    "one file more": lambda entry: replace(entry / "more", b""),
    "the entry is a link": move_and_link,
    "unknown tokens changed": lambda entry: replace(entry / "unknown.json", b'{"tokens": 9, "examples": []}'),
    "forged: another object": lambda entry: forge(entry, "unknown.json", b"{}"),
    "forged: a list": lambda entry: forge(entry, "unknown.json", b"[]"),
    "forged: numbers": lambda entry: forge(entry, "unknown.json", b'{"tokens": "9", "examples": [1]}'),
    "forged: ids out of range": lambda entry: forge(entry, "ids.bin", b"\xff" * 99),
}


@pytest.fixture
def corpus(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    return load_corpus(str(tmp_path / "text.txt"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_written_again(corpus, tmp_path, damage, caplog):
    whole = encode_corpus(corpus, "char", cache_dir=tmp_path / "cache")
    whole = {split: ids.tolist() for split, ids in whole.ids.items()}
    for entry in list((tmp_path / "cache").iterdir()):
        DAMAGES[damage](entry)
    encoded = encode_corpus(corpus, "char", cache_dir=tmp_path / "cache")
    assert {split: ids.tolist() for split, ids in encoded.ids.items()} == whole
    assert "is not used (" in caplog.text
    caplog.clear()
    encode_corpus(corpus, "char", cache_dir=tmp_path / "cache")
    assert "is not used (" not in caplog.text
    assert not list((tmp_path / "cache").glob(".*"))


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_damaged_tokenizers_are_written_again(corpus, tmp_path, kind):
    whole = encode_corpus(corpus, kind, cache_dir=tmp_path / "cache")
    (path,) = (tmp_path / "cache").glob("*/tokenizer.json")
    path.write_text(path.read_text().replace("Isolated", "Removed").replace('"best"', '"tseb"'))
    for other in (tmp_path / "cache").glob("*/ids.bin"):
        os.truncate(other, 3)
    encoded = encode_corpus(corpus, kind, cache_dir=tmp_path / "cache")
    assert encoded.tokenizer.to_json() == whole.tokenizer.to_json()
    assert encoded.ids["train"].tolist() == whole.tokenizer.encode(TEXT[: int(0.9 * len(TEXT))]).tolist()


def test_a_text_without_tokens(tmp_path):
    (tmp_path / "train.txt").write_text("a b\n" * 9)
    (tmp_path / "validation.txt").write_text(" \n")
    for _ in range(2):
        encoded = encode_corpus(load_corpus(str(tmp_path)), "word", cache_dir=tmp_path / "cache")
        assert len(encoded.ids["validation"]) == 0


def test_entries_have_the_permissions_that_the_umask_gives(corpus, tmp_path):
    before = os.umask(0o022)
    try:
        encode_corpus(corpus, "bpe", cache_dir=tmp_path / "cache")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "cache").iterdir()}
    assert modes == {0o755}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "cache").glob("*/*")} == {0o644}


def refuse(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes an entry one of another user, which can neither be read nor replaced, also for root."""

    def denied(original):
        def call(self, *arguments, **options):
            if Path(self) == path or path in Path(self).parents:
                raise PermissionError(13, "Permission denied")
            return original(self, *arguments, **options)

        return call

    for name in ("iterdir", "rename", "open"):
        monkeypatch.setattr(Path, name, denied(getattr(Path, name)))
    monkeypatch.setattr("rnnnlp.text.cache.open_regular", denied(open_regular))


def test_an_entry_that_cannot_be_read_is_as_if_it_were_not_there(corpus, tmp_path, monkeypatch):
    whole = encode_corpus(corpus, "bpe", cache_dir=tmp_path / "cache")
    whole_ids = whole.ids["train"].tolist()
    for entry in list((tmp_path / "cache").iterdir()):
        refuse(entry, monkeypatch)
    encoded = encode_corpus(corpus, "bpe", cache_dir=tmp_path / "cache")
    assert encoded.ids["train"].tolist() == whole_ids
    assert encoded.tokenizer.to_json() == whole.tokenizer.to_json()
    monkeypatch.undo()
    assert len(list((tmp_path / "cache").iterdir())) == 3
    assert not list((tmp_path / "cache").glob(".*"))


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from rnnnlp.text.cache import cached
def write(folder):
    print("writing", flush=True)
    sys.stdin.read()
cached(Path(sys.argv[1]), "slow", write, lambda entry: None)
"""


def test_unfinished_entries_go_when_their_writer_has_ended_whatever_the_clock_says(tmp_path):
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout.readline() == "writing\n"
        (unfinished,) = tmp_path.glob(".entry.*.tmp")
        os.utime(unfinished, (0, 0))  # many years ago
        cached(tmp_path, "first", lambda folder: None, lambda entry: None)
        assert unfinished.exists()
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    assert unfinished.exists()
    future = time.time() + 1e6
    os.utime(unfinished, (future, future))
    cached(tmp_path, "second", lambda folder: None, lambda entry: None)
    assert not unfinished.exists()


@pytest.mark.parametrize("is_damaged", [True, False])
def test_what_cannot_be_removed_is_removed_later(tmp_path, monkeypatch, is_damaged):
    def write(folder):
        (folder / "large").write_bytes(bytes(100))

    old = "0" * 32
    cached(tmp_path, old, write, lambda entry: None)
    monkeypatch.setattr("shutil.rmtree", lambda path, ignore_errors=False: None)
    if is_damaged:
        (tmp_path / old / "large").unlink()
        cached(tmp_path, old, write, lambda entry: None)
    else:
        os.utime(tmp_path / old, (0, 0))
        monkeypatch.setenv("RNNNLP_CACHE_LIMIT", "0")
        cached(tmp_path, "1" * 32, write, lambda entry: None)
    monkeypatch.undo()
    assert list(tmp_path.glob(".*"))
    cached(tmp_path, "2" * 32, write, lambda entry: None)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(24, "Too many open files"), OSError(12, "Cannot allocate memory")]
)
def test_an_entry_stays_when_memory_or_open_files_run_out(tmp_path, error):
    def fail(entry):
        raise error

    cached(tmp_path, "entry", lambda folder: None, lambda entry: None)
    os.utime(tmp_path / "entry", (0, 0))
    with pytest.raises(type(error)):
        cached(tmp_path, "entry", lambda folder: None, fail)
    assert (tmp_path / "entry").stat().st_mtime == 0


def test_unfinished_entries_where_the_disk_has_no_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("rnnnlp.text.cache.hold", lambda folder: None)
    names = (".unfinished-new", ".entry.0123456789abcdef.tmp", ".unfinished-old", ".entry.f123456789abcdef.tmp")
    for name in names:
        (tmp_path / name).mkdir()
    for name in names[2:]:
        os.utime(tmp_path / name, (0, 0))
    cached(tmp_path, "entry", lambda folder: None, lambda entry: None)
    assert {path.name for path in tmp_path.glob(".*")} == set(names[:2])
