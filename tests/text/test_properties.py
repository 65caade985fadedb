"""Properties that hold for any text. `scripts/fuzz_text.py` does the same with many more inputs, and larger ones."""

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnnlp.errors import UserError

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from fuzzing import inputs, targets

KINDS = ("char", "byte", "word", "bpe")
FEW = settings(
    max_examples=60,
    derandomize=True,  # the same examples everywhere, so that a failure is of the change that was made
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,  # a folder that is written anew each time will do
    ],
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)  # with lone surrogates
TEXT = st.text(max_size=80)
LABEL = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), TEXT, st.just([]), st.dictionaries(TEXT, TEXT, max_size=1))
)
ROWS = st.lists(st.tuples(TEXT.filter(bool), LABEL), max_size=6)


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(text=ANY_TEXT)
def test_a_tokenizer_gives_back_what_it_read(kind: str, text: str, tmp_path: Path):
    targets.tokenize(kind, text, tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@FEW
@given(text=ANY_TEXT)
def test_any_prompt_is_continued_and_any_text_classified(kind: str, text: str, tmp_path: Path):
    targets.prompt(kind, text, tmp_path)


@FEW
@given(content=st.binary(max_size=200))
def test_a_text_file_is_read_as_it_is_or_refused(content: bytes, tmp_path: Path):
    targets.read_file("text.txt", content, tmp_path)


@pytest.mark.parametrize("name", ["texts.csv", "texts.tsv", "texts.jsonl", "texts.parquet"])
@FEW
@given(
    content=st.one_of(st.binary(max_size=200), TEXT.map(str.encode), TEXT.map(lambda t: b"text,label\n" + t.encode()))
)
def test_a_table_is_read_or_refused(name: str, content: bytes, tmp_path: Path):
    targets.read_file(name, content, tmp_path)


@pytest.mark.parametrize("name", ["texts.csv", "texts.jsonl"])
def test_rows_come_back_as_others_wrote_them(name: str, tmp_path: Path):
    write = inputs.csv_of if name == "texts.csv" else inputs.jsonl_of
    read = []

    @FEW
    @given(rows=ROWS, seed=st.integers(0, 2**32 - 1))
    def check(rows: list, seed: int) -> None:
        content = write(rows, np.random.default_rng(seed))
        read.append(targets.read_back(name, content, rows, tmp_path))

    check()
    assert sum(read) > len(read) / 8  # most of these labels are refused, of JSON lists and objects
    rows = [("a good film", "good"), ("电影，\n很差", "bad"), ('"quoted", and so on', "good")]
    assert all(targets.read_back(name, write(rows, np.random.default_rng(k)), rows, tmp_path) for k in range(20))


@FEW
@given(seed=st.integers(0, 2**32 - 1))
def test_parquet_with_nested_columns_is_read_or_refused(seed: int, tmp_path: Path):
    content = inputs.parquet_file(np.random.default_rng(seed))
    targets.read_file("texts.parquet", content, tmp_path)


@FEW
@given(lines=st.lists(st.one_of(st.sampled_from(inputs.TOML), TEXT), max_size=6))
def test_a_configuration_is_read_or_refused(lines: list[str], tmp_path: Path):
    with suppress(UserError):
        targets.read_options("\n".join(lines).encode(), tmp_path)


def test_the_properties_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from rnnnlp.text import CharTokenizer

    monkeypatch.setattr(CharTokenizer, "decode", lambda self, ids: "another")
    with pytest.raises(AssertionError):
        targets.tokenize("char", "text", tmp_path)
    with pytest.raises(AssertionError):
        targets.read_back("texts.csv", b"text,label\na,1\n", [("b", 1)], tmp_path)
    with pytest.raises(AssertionError):
        targets.read_plainly(tmp_path / "texts.csv", b"something else")
