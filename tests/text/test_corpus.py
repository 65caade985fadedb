"""A corpus as ids: splits by characters, vocabulary from train alone, the cache, bounded memory."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnnlp.errors import UserError
from rnnnlp.kernels.processors import available_processors
from rnnnlp.text import CharTokenizer, WordTokenizer, cache_folder, encode_corpus, load_corpus, load_tokenizer
from rnnnlp.text.cache import cache_key, cached
from rnnnlp.text.corpus import survey

TEXT = "The quick brown fox\r\njumps over the lazy dog.\n" * 30
KINDS = ["char", "byte", "word", "bpe"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNNLP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def corpus(tmp_path):
    """A corpus of 10 * n characters; two characters occur only in the last tenth."""
    path = tmp_path / "text.txt"
    path.write_bytes((TEXT[:-2] + "é中").encode())
    return load_corpus(str(path))


@pytest.mark.parametrize("kind", KINDS)
def test_last_tenth_of_the_characters_is_validation(corpus, cache, kind):
    encoded = encode_corpus(corpus, kind)
    text = "".join(corpus.chunks("train"))
    cut = int(0.9 * len(text))
    assert encoded.characters == {"train": cut, "validation": len(text) - cut}
    for split, part in (("train", text[:cut]), ("validation", text[cut:])):
        ids = encoded.ids[split]
        assert isinstance(ids, np.memmap)
        assert not ids.flags.writeable
        assert ids.dtype == encoded.tokenizer.dtype
        assert ids.tolist() == encoded.tokenizer.encode(part).tolist()
    assert encoded.source == corpus.source


def test_vocabulary_is_of_train_alone_and_unknown_characters_are_logged(corpus, cache, caplog):
    for _ in range(2):  # encoded, and from the cache
        caplog.clear()
        encoded = encode_corpus(corpus, "char")
        assert encoded.tokenizer.characters == "".join(sorted(set(TEXT)))
        assert encoded.ids["validation"][-2:].tolist() == [0, 0]
        assert f"{corpus.source}, validation: 2 of {len(TEXT) // 10} tokens are not in the vocabulary" in caplog.text
        assert "'é' '中'" in caplog.text


def test_given_tokenizer_is_used_as_it_is(corpus, cache):
    tokenizer = CharTokenizer("the")
    encoded = encode_corpus(corpus, tokenizer, splits=("validation",))
    assert list(encoded.ids) == ["validation"]
    assert encoded.tokenizer is tokenizer
    assert set(encoded.ids["validation"].tolist()) == {0, 1, 2, 3}


def test_splits_of_the_source(tmp_path, cache):
    for split, text in (("train", "aab"), ("validation", "ba"), ("test", "b")):
        (tmp_path / f"{split}.txt").write_text(text)
    encoded = encode_corpus(load_corpus(str(tmp_path)), "char")
    assert {split: ids.tolist() for split, ids in encoded.ids.items()} == {
        "train": [1, 1, 2],
        "validation": [2, 1],
        "test": [2],
    }
    (tmp_path / "validation.txt").unlink()
    (tmp_path / "train.txt").write_text("a" * 9 + "b")
    encoded = encode_corpus(load_corpus(str(tmp_path)), "char")
    assert encoded.characters == {"train": 9, "validation": 1, "test": 1}


def test_document_separator(tmp_path, cache):
    (tmp_path / "texts").mkdir()
    for name, text in (("1", "one\n"), ("2", "two"), ("3", "")):
        (tmp_path / "texts" / f"{name}.txt").write_text(text)
    (tmp_path / "table.csv").write_text("text\none\ntwo\n")

    def text_of(name, separator):
        corpus = load_corpus(str(tmp_path / name), document_separator=separator)
        return "".join(corpus.chunks("train"))

    assert text_of("texts", None) == "one\n\ntwo\n"
    assert text_of("texts", "") == "one\ntwo"
    assert text_of("texts", r"<end>\n") == "one\n<end>\ntwo<end>\n"
    assert text_of("table.csv", None) == "one\ntwo"
    assert text_of("table.csv", r"\t\\n\r") == "one\t\\n\rtwo"
    assert text_of("texts/2.txt", "<end>") == "two"
    for separator in (r"\x", "end\\", "\\\n"):
        with pytest.raises(UserError, match=r"(?s)document_separator is .* write a backslash as"):
            text_of("texts", separator)


@pytest.mark.parametrize("kind", KINDS)
def test_second_time_comes_from_the_cache(corpus, cache, monkeypatch, kind):
    first = encode_corpus(corpus, kind)
    monkeypatch.setattr("rnnnlp.text.encoded_corpus._write_ids", None)
    second = encode_corpus(corpus, kind)
    assert second.tokenizer.to_json() == first.tokenizer.to_json()
    assert {split: ids.tolist() for split, ids in second.ids.items()} == {
        split: ids.tolist() for split, ids in first.ids.items()
    }
    encode_corpus(corpus, first.tokenizer)  # as a resumed run does


def test_a_small_text_that_is_only_measured_is_not_kept(corpus, cache, caplog, monkeypatch):
    tokenizer = CharTokenizer.train([TEXT])
    measured = encode_corpus(corpus, tokenizer, keep=False)
    assert not cache.exists()
    assert f"{corpus.source}, validation: 2 of {len(TEXT) // 10} tokens are not in the vocabulary" in caplog.text
    kept = encode_corpus(corpus, tokenizer)
    assert len(list_files(cache)) == 2
    for split, ids in kept.ids.items():
        assert measured.ids[split].dtype == ids.dtype
        assert measured.ids[split].tolist() == ids.tolist()
        assert not measured.ids[split].flags.writeable
    assert measured.digests == kept.digests
    monkeypatch.setattr("rnnnlp.text.encoded_corpus._SMALL", len(TEXT) // 2)
    encode_corpus(corpus, CharTokenizer("the"), keep=False)
    assert len(list_files(cache)) == 3  # the ids of train are kept


def test_other_content_or_options_make_another_entry(corpus, cache, tmp_path):
    encode_corpus(corpus, "word", vocab_size=5)
    count = len(list(cache.iterdir()))
    assert encode_corpus(corpus, "word", vocab_size=6).tokenizer.vocab_size == 6
    assert len(list(cache.iterdir())) == count + 3  # the tokenizer and two splits
    (tmp_path / "text.txt").write_text(TEXT.replace("fox", "cat"))
    encoded = encode_corpus(corpus, "char")
    assert "x" not in encoded.tokenizer.characters


def test_a_tokenizer_that_another_version_trained_is_trained_again(corpus, cache, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(WordTokenizer, "RULES", WordTokenizer.RULES[:1])
        assert encode_corpus(corpus, "word").tokenizer.rules == 1
    assert encode_corpus(corpus, "word").tokenizer.rules == len(WordTokenizer.RULES)


def test_cache_that_cannot_be_written(corpus, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    whole = encode_corpus(corpus, "bpe", cache_dir=tmp_path / "good")
    monkeypatch.setenv("RNNNLP_CACHE", str(tmp_path / "file" / "cache"))
    encoded = encode_corpus(corpus, "bpe")
    assert encoded.ids["train"].tolist() == whole.ids["train"].tolist()
    assert "cannot be written (Not a directory): each run encodes the text again; set RNNNLP_CACHE" in caplog.text
    assert list((tmp_path / "temporary").iterdir()) == []


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("RNNNLP_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "someone"))
    assert cache_folder() == tmp_path / "someone" / ".cache" / "rnnnlp"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "somewhere"))
    assert cache_folder() == tmp_path / "somewhere" / "rnnnlp"
    monkeypatch.setenv("RNNNLP_CACHE", "~/here")
    assert cache_folder() == tmp_path / "someone" / "here"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The temporary folder of a user without a home folder or an entry in passwd."""

    def without_home(path):
        if path.parts[:1] == ("~",):
            raise RuntimeError("Could not determine home directory.")
        return path

    for name in ("RNNNLP_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "expanduser", without_home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_cache_without_a_home_folder(corpus, temporary):
    encoded = encode_corpus(corpus, "bpe")
    folder = cache_folder()
    assert folder.parent == temporary
    assert folder.stat().st_mode & 0o777 == 0o700
    (found,) = (path.parent for path in folder.glob("*/tokenizer.json"))
    assert load_tokenizer(found).to_json() == encoded.tokenizer.to_json()


def test_cache_where_the_home_folder_cannot_be_written(tmp_path, temporary, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    (tmp_path / "home").mkdir()
    assert cache_folder() == tmp_path / "home" / "cache" / "rnnnlp"
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / "home")
    assert cache_folder().parent == temporary


def test_cache_of_another_user_in_the_temporary_folder(temporary, monkeypatch):
    folder = cache_folder()
    folder.chmod(0o777)
    with pytest.raises(UserError, match="is not private to this user; remove it, or set RNNNLP_CACHE"):
        cache_folder()
    folder.rmdir()
    (temporary / "target").mkdir(mode=0o700)
    folder.symlink_to(temporary / "target")
    with pytest.raises(UserError, match="is not private to this user"):
        cache_folder()
    folder.unlink()
    folder.touch()
    with pytest.raises(UserError, match="cannot write the cache"):
        cache_folder()


def test_cache_below_a_home_folder_that_is_not_known(temporary, monkeypatch):
    monkeypatch.setenv("RNNNLP_CACHE", "~/here")
    with pytest.raises(UserError, match="RNNNLP_CACHE is ~/here, and this user has no home folder; give a full path"):
        cache_folder()


def list_files(entry):
    return sorted(path.name for path in entry.iterdir())


def test_failed_entries_leave_nothing(tmp_path):
    def fail(folder):
        (folder / "half").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"cannot write the cache .*No space left on device.*nor the temporary folder"):
        cached(tmp_path, "key", fail, list_files)
    assert list(tmp_path.iterdir()) == []


def test_abandoned_entries_are_removed(tmp_path):
    abandoned, recent = tmp_path / ".unfinished-old", tmp_path / ".unfinished-new"
    abandoned.mkdir()
    recent.mkdir()
    os.utime(abandoned, (0, 0))
    cached(tmp_path, "key", lambda folder: None, list_files)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".unfinished-new", "key"]


def hours_ago(entry, hours):
    then = time.time() - 3600 * hours
    os.utime(entry, (then, then))


def test_least_recently_used_entries_are_removed_above_the_limit(tmp_path, monkeypatch):
    def add(name, hours):
        entry = tmp_path / cache_key(name=name)
        cached(tmp_path, entry.name, lambda folder: (folder / "content").write_bytes(bytes(400)), list_files)
        hours_ago(entry, hours)
        return entry

    def entries():
        return {path for path in tmp_path.iterdir() if path.name != "mine"}

    monkeypatch.setenv("RNNNLP_CACHE_LIMIT", "1200e-9")  # 1200 bytes: two entries with their manifests
    (tmp_path / "mine").mkdir()  # is not an entry: not counted, and not removed
    (tmp_path / "mine" / "letter").write_bytes(bytes(5000))
    oldest, used = add("oldest", 5), add("used", 4)
    assert entries() == {oldest, used}
    assert "content" in cached(tmp_path, used.name, None, list_files)  # from the cache: its last use is now
    hours_ago(used, 2)
    newer = add("newer", 3)
    assert entries() == {used, newer}
    last = add("last", 0)
    assert entries() == {used, last}
    hours_ago(used, 0.5)
    more = add("more", 0)
    assert entries() == {used, last, more}  # all in use just now, whatever the limit
    assert (tmp_path / "mine" / "letter").stat().st_size == 5000


def test_use_of_an_entry_is_recorded(tmp_path):
    entry = tmp_path / cache_key(name="an entry")
    cached(tmp_path, entry.name, lambda folder: None, list_files)
    hours_ago(entry, 5)
    cached(tmp_path, entry.name, None, list_files)
    assert time.time() - entry.stat().st_mtime < 60


@pytest.mark.parametrize("limit", ["much", "-1", "nan"])
def test_limits_that_are_not_numbers_are_refused(corpus, cache, monkeypatch, limit):
    monkeypatch.setenv("RNNNLP_CACHE_LIMIT", limit)
    with pytest.raises(UserError, match=f"RNNNLP_CACHE_LIMIT is {limit}; it must be a number of GB, at least 0"):
        encode_corpus(corpus, "char")


def test_several_writers_at_once(tmp_path):
    together = threading.Barrier(8)

    def write(folder):
        together.wait()
        (folder / "content").write_text("whole")

    with ThreadPoolExecutor(8) as pool:
        read = lambda entry: (entry / "content").read_text()  # noqa: E731
        contents = list(pool.map(lambda _: cached(tmp_path, "key", write, read), range(8)))
    assert set(contents) == {"whole"}
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 characters in train: too few"),
        (b"a", "has 1 characters in train: too few"),
        (b"ab\xff", "byte 2 is"),
    ],
)
def test_texts_that_are_refused(tmp_path, cache, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        encode_corpus(load_corpus(str(tmp_path / "a.txt")), "char")


def test_splits_and_options_that_are_refused(corpus, cache):
    with pytest.raises(UserError, match="has no split 'test'; it has train, validation"):
        encode_corpus(corpus, "char", splits=("test",))
    with pytest.raises(UserError, match="vocab_size has no meaning for a char tokenizer"):
        encode_corpus(corpus, "char", vocab_size=9)


@pytest.mark.parametrize("change", ["shorter", "longer", "equally long"])
def test_text_that_changes_while_it_is_read(corpus, cache, tmp_path, monkeypatch, change):
    whole = (tmp_path / "text.txt").read_bytes()
    changed = {"shorter": b"short", "longer": whole + b"x", "equally long": whole.replace(b"fox", b"ofx", 1)}[change]

    def survey_then_change(chunks, **options):
        found = survey(chunks, **options)
        (tmp_path / "text.txt").write_bytes(changed)
        return found

    monkeypatch.setattr("rnnnlp.text.encoded_corpus.survey", survey_then_change)
    with pytest.raises(UserError, match="changed while it was read"):
        encode_corpus(corpus, "char")
    assert list_files(cache) == []


@given(st.lists(st.text()))
def test_survey(chunks):
    text = "".join(chunks)
    found = survey(chunks)
    assert found.characters == len(text)
    assert found.first_positions == {character: text.index(character) for character in set(text)}
    assert found == survey([text])


ENCODE_AND_PRINT_PEAK = """
import re, sys
from rnnnlp.text import encode_corpus, load_corpus
encode_corpus(load_corpus(sys.argv[1]), "char", cache_dir=sys.argv[2])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory, which only Linux gives")
def test_memory_does_not_grow_with_the_text(tmp_path):
    peaks = []
    for megabytes in (4, 64):
        path = tmp_path / f"{megabytes}.txt"
        path.write_bytes(b"one line of text \xe4\xb8\xad\n" * (megabytes * 10**6 // 21))
        command = [sys.executable, "-c", ENCODE_AND_PRINT_PEAK, str(path), str(tmp_path / "cache")]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024)
    assert peaks[1] < peaks[0] + 16  # MiB; the ids alone are 57 MB


TOKENIZE_AND_COUNT_THREADS = """
import os, sys
from rnnnlp import kernels
from rnnnlp.text import WordTokenizer
kernels.use("numpy", threads=int(sys.argv[1]))
before = len(os.listdir("/proc/self/task"))
WordTokenizer(["a", "b"]).encode_batch(["a b"] * 1000)
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads, which only Linux gives")
def test_tokenizers_use_the_allowed_number_of_threads():
    for threads in range(1, available_processors() + 1)[:2]:
        command = [sys.executable, "-c", TOKENIZE_AND_COUNT_THREADS, str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(done.stdout) == threads


def test_importing_is_cheap():
    heavy = "{'datasets', 'tokenizers', 'pyarrow', 'pandas'}"
    command = f"import sys, rnnnlp.text; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_trained_tokenizer_in_the_cache_can_be_loaded(corpus, cache):
    encoded = encode_corpus(corpus, "bpe")
    (folder,) = (path.parent for path in cache.glob("*/tokenizer.json"))
    assert load_tokenizer(folder).to_json() == encoded.tokenizer.to_json()


def test_the_cache_knows_where_a_part_of_the_text_ends(cache, corpus):
    first = encode_corpus(corpus, "char")
    for options, split in (({"splits": ("all",)}, "all"), ({"splits": ("train",), "hold_out": False}, "train")):
        again = encode_corpus(corpus, first.tokenizer, **options)
        assert len(again.ids[split]) == len(TEXT) > len(first.ids["train"])
