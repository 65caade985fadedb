"""Names of data: files, folders as published data sets have them, globs, built-in data sets, Hub names."""

from pydoc_data.topics import topics

import datasets
import pytest

from rnnnlp.errors import UserError
from rnnnlp.text import ReadOptions, load_corpus, load_labelled, load_plain_texts
from rnnnlp.text.builtin import sample_folder
from rnnnlp.text.hub import transport_errors
from rnnnlp.text.sources import find_source
from tests.text.test_tables import write_table

ROWS = [{"text": f"text {i}", "label": i % 2} for i in range(40)]


def fill(folder, files):
    """Writes text files, given by their paths."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, newline="")
    return str(folder)


def texts(spec):
    """The text of each split."""
    corpus = load_corpus(str(spec))
    return {split: "".join(corpus.chunks(split)) for split in corpus.splits}


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train-00000.parquet", "test-00000.parquet"], ["train", "test"]),
        (["train-00001-of-00002.parquet", "train-00000-of-00002.parquet"], ["train"]),
        (["train.csv", "validation.jsonl", "test.tsv"], ["train", "validation", "test"]),
        (["train.csv", "dev.csv"], ["train", "validation"]),
        (["TRAIN.csv", "val_1.csv", "valid_2.csv"], ["train", "validation"]),
        (["training.csv", "testing.csv"], ["train", "test"]),
        (["train1.csv", "train2.csv", "test2024.csv", "dev 2.csv"], ["train", "validation", "test"]),
        (["data/train.parquet", "data/test.parquet", "README.md"], ["train", "test"]),
        (["train/0000.parquet", "train/0001.parquet", "test/0000.parquet"], ["train", "test"]),
        (["test.csv"], ["test"]),
    ],
)
def test_folders_of_split_files(tmp_path, names, splits):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_table(tmp_path / name, ROWS) if name != "README.md" else (tmp_path / name).touch()
    source = find_source(str(tmp_path))
    assert list(source.splits) == splits
    assert sum(map(len, source.splits.values())) == len([name for name in names if name != "README.md"])


def test_other_splits_are_not_used_and_never_opened(tmp_path, caplog):
    write_table(tmp_path / "train.parquet", ROWS)
    (tmp_path / "unsupervised-00000.parquet").write_bytes(b"not read")
    (tmp_path / "test.parquet").write_bytes(b"not read")
    with caplog.at_level("INFO", "rnnnlp"):
        data = load_labelled(str(tmp_path), splits=("train", "validation"))
    assert list(data.splits) == ["train", "validation"]
    assert "unsupervised-00000.parquet left out" in caplog.text


def test_unlabelled_texts_are_for_pretraining_a_language_model(tmp_path, caplog):
    of_files, of_folders, of_classes = (tmp_path / name for name in ("files", "folders", "classes"))
    for folder in (of_files, of_folders / "data"):
        folder.mkdir(parents=True)
        for split in ("train", "test", "unsupervised"):
            write_table(folder / f"{split}-0.parquet", [{"text": split, "label": 0}])
    words = {"neg": "train", "pos": "train", "unsup": "unsupervised"}
    fill(of_classes, {f"train/{name}/0.txt": word for name, word in words.items()})
    fill(of_classes, {"test/neg/0.txt": "test", "test/pos/0.txt": "test"})
    for folder in (of_files, of_folders, of_classes, of_classes / "train"):
        corpus = load_corpus(str(folder), unlabelled=True)
        assert set("".join(corpus.chunks("train")).split()) == {"train", "unsupervised"}
        assert "unlabelled" not in corpus.splits
        caplog.clear()
        with caplog.at_level("INFO", "rnnnlp"):
            assert set(texts(folder)["train"].split()) == {"train"}
        assert "left out: texts without a label" in caplog.text


def test_unlabelled_texts_of_a_classifier(tmp_path):
    write_table(tmp_path / "train.jsonl", [{"words": f"w {i}", "label": i % 2} for i in range(4)])
    write_table(tmp_path / "unsupervised.jsonl", [{"words": "alone"}])
    reading = ReadOptions(text_column="words")
    assert list(load_labelled(str(tmp_path), reading, unlabelled=True).unlabelled) == ["alone"]
    assert not load_labelled(str(tmp_path), reading).unlabelled


def test_a_source_may_have_only_unlabelled_texts(tmp_path):
    write_table(tmp_path / "unsupervised.parquet", [{"text": "alone"}])
    for unlabelled in (True, False):
        corpus = load_corpus(str(tmp_path / "unsupervised.parquet"), unlabelled=unlabelled)
        assert {split: "".join(corpus.chunks(split)) for split in corpus.splits} == {"train": "alone"}


def test_one_split_in_two_formats(tmp_path):
    write_table(tmp_path / "train.csv", ROWS)
    write_table(tmp_path / "train.parquet", ROWS)
    with pytest.raises(UserError, match=r"train\.csv and .*train\.parquet are one split in several formats"):
        find_source(str(tmp_path))


def test_several_folders_with_split_files(tmp_path):
    fill(tmp_path, {"one/train.csv": "text,label\n", "two/train.csv": "text,label\n"})
    with pytest.raises(UserError, match=r"several sub-folders \(one, two\); name one"):
        find_source(str(tmp_path))


def test_class_folders_as_the_movie_reviews_unpack(tmp_path, caplog):
    files = {
        f"{split}/{label}/{i}.txt": f"{split} {label} {i}"
        for split in ("train", "test")
        for label in ("neg", "pos")
        for i in range(20)
    }
    files |= {"train/unsup/0_0.txt": "no label", "train/urls_pos.txt": "http", "README": "", "imdb.vocab": ""}
    with caplog.at_level("INFO", "rnnnlp"):
        data = load_labelled(fill(tmp_path, files))
    assert data.classes.names == ("neg", "pos")
    assert {split: len(rows) for split, rows in data.splits.items()} == {"train": 38, "validation": 2, "test": 40}
    assert "unsup left out" in caplog.text
    test = data.splits["test"]
    assert test.texts[0] == "test neg 0"
    assert test.labels.tolist() == [0] * 20 + [1] * 20


def test_class_folders_without_splits(tmp_path):
    spec = fill(tmp_path, {f"{label}/{i}.txt": "text" for label in "cab" for i in range(3)})
    data = load_labelled(spec)
    assert data.classes.names == ("a", "b", "c")
    assert {split: len(rows) for split, rows in data.splits.items()} == {"train": 6, "validation": 3}


@pytest.mark.parametrize("name", ["one.csv", "one.tsv", "one.jsonl", "one.parquet", "train.csv"])
def test_one_file_is_train(tmp_path, name):
    data = load_labelled(str(write_table(tmp_path / name, ROWS)))
    assert {split: len(rows) for split, rows in data.splits.items()} == {"train": 38, "validation": 2}


def test_the_only_json_file_of_a_folder_is_train(tmp_path):
    folder = fill(tmp_path, {"reviews.json": '[{"text": "good", "label": "pos"}]', "notes.md": "mine"})
    assert [len(parts) for parts in find_source(folder).splits.values()] == [1]
    with pytest.raises(UserError, match="holds no data"):
        find_source(fill(tmp_path, {"settings.json": "{}"}))


def test_one_file_named_after_a_split(tmp_path):
    data = load_labelled(str(write_table(tmp_path / "test.csv", ROWS)))
    assert {split: len(rows) for split, rows in data.splits.items()} == {"test": 40}
    (tmp_path / "test.parquet").mkdir()
    write_table(tmp_path / "test.parquet" / "part-0.parquet", ROWS)
    assert list(find_source(str(tmp_path / "test.parquet")).splits) == ["test"]


def test_plain_text(tmp_path):
    spec = fill(tmp_path, {"b.txt": "B\r\n", "a.txt": "A", "deep/c.txt": "C", "d.md": "D"})
    assert texts(spec) == {"train": "A\nB\r\n\nC"}
    assert texts(f"{spec}/*.txt") == {"train": "A\nB\r\n"}
    assert texts(f"{spec}/**/*.*") == {"train": "A\nB\r\n\nD\nC"}
    assert texts(f"{spec}/d.md") == {"train": "D"}


def test_plain_text_with_splits(tmp_path):
    splits = {"train": "A", "validation": "B", "test": "C"}
    assert texts(fill(tmp_path / "files", {f"{split}.txt": text for split, text in splits.items()})) == splits
    assert texts(fill(tmp_path / "folders", {f"{split}/0.txt": text for split, text in splits.items()})) == splits
    # A file that merely has such a name among others is not a split.
    assert texts(fill(tmp_path / "others", {"test.txt": "1", "chapter.txt": "2"})) == {"train": "2\n1"}


def test_text_columns_as_a_corpus(tmp_path):
    write_table(tmp_path / "train.parquet", ROWS[:2])
    write_table(tmp_path / "test.csv", [{"text": "a\nb", "label": 0}, {"text": "c", "label": ""}])
    assert texts(tmp_path) == {"train": "text 0\ntext 1", "test": "a\nb\nc"}
    assert "".join(load_corpus(str(tmp_path), ReadOptions(text_column="label")).chunks("test")) == "0"


def test_sample_reviews():
    data = load_labelled("sample-reviews")
    assert data.classes.names == ("negative", "positive")
    assert {split: len(rows) for split, rows in data.splits.items()} == {"train": 380, "validation": 20, "test": 100}
    assert data.source == "sample-reviews"


def test_sample_reviews_in_an_installed_package(tmp_path, monkeypatch):
    monkeypatch.setattr("rnnnlp.text.builtin._PACKAGE", tmp_path / "rnnnlp")
    with pytest.raises(UserError, match="install rnnnlp again"):
        sample_folder("sample-reviews")
    installed = tmp_path / "rnnnlp" / "bundled" / "sample-reviews"
    installed.mkdir(parents=True)
    assert sample_folder("sample-reviews") == installed


def test_python_docs():
    corpus = load_corpus("python-docs")
    text = "".join(corpus.chunks("train"))
    assert len(text) > 400_000
    assert text == "\n".join(topics[name] for name in sorted(topics))
    assert corpus.source.startswith("python-docs (Python 3.")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "''.*no such file or folder"),
        ("reviews.csv", r"'reviews\.csv': no such file or folder; .*\(sample-reviews, python-docs\)"),
        ("data/reviews.csv", "no such file or folder"),
        ("imdb", "a Hub name such as stanfordnlp/imdb"),
        ("../nothing/here", "no such file or folder"),
        ("nothing/*.txt", "matches no file"),
        ("~nobody-of-this-name/x", "cannot read"),
        ("x" * 300, r"'x+ \.\.\.' looks like the text itself; expected the name of data"),
        ("a\0b", "no such file or folder"),
    ],
)
def test_names_of_no_data(tmp_path, monkeypatch, spec, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        find_source(spec)


def test_folder_without_data(tmp_path):
    with pytest.raises(UserError, match="holds no data; expected split files"):
        find_source(fill(tmp_path, {"image.png": ""}))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A stand-in for the Hub: `datasets` really loads local parquet files, whatever the name."""
    for split, rows in {
        "train": ROWS,
        "validation": ROWS[:4],
        "test": [{**row, "label": -1} for row in ROWS],
        "unsupervised": ROWS,
    }.items():
        dataset = datasets.Dataset.from_list(rows).cast_column("label", datasets.ClassLabel(names=["bad", "good"]))
        dataset.to_parquet(tmp_path / f"{split}.parquet")
    asked = []
    load_dataset = datasets.load_dataset

    def load(name, configuration):
        asked.append((name, configuration))
        files = {path.stem: str(path) for path in tmp_path.glob("*.parquet")}
        return load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))

    monkeypatch.setattr(datasets, "load_dataset", load)
    return asked


def test_hub_names(hub, caplog):
    with caplog.at_level("INFO", "rnnnlp"):
        data = load_labelled("nyu-mll/glue:sst2")
    assert hub == [("nyu-mll/glue", "sst2")]
    assert data.classes.names == ("bad", "good")
    assert {split: len(rows) for split, rows in data.splits.items()} == {"train": 40, "validation": 4}
    assert "(unsupervised) left out: texts without a label" in caplog.text
    assert "test: 40 rows without a label (-1) dropped" in caplog.text
    assert texts("stanfordnlp/imdb")["validation"] == "text 0\ntext 1\ntext 2\ntext 3"
    assert hub[1] == ("stanfordnlp/imdb", None)


def test_a_data_set_of_the_hub_whose_splits_have_other_names(hub, tmp_path):
    for split in ("train", "validation", "test", "unsupervised"):
        (tmp_path / f"{split}.parquet").rename(tmp_path / f"{split}ed.parquet")
    with pytest.raises(UserError, match=r"has the splits .*trained.*; expected one of train, validation, test"):
        load_labelled("owner/corpus")


needs_httpx = pytest.mark.skipif(
    issubclass(transport_errors()[0], OSError),
    reason="this huggingface_hub has requests, whose errors are of the system",
)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ConnectionError("Couldn't reach it\nmore"),
            "Hub cannot be reached .Couldn't reach it.; for a local copy give the folder",
        ),
        pytest.param(
            transport_errors()[0]("timed out"),
            "Hub cannot be reached .timed out.; for a local copy give the folder",
            marks=needs_httpx,
        ),
        pytest.param(
            transport_errors()[0](""), "Hub cannot be reached .HTTPError.; for a local copy", marks=needs_httpx
        ),
        (RuntimeError("Dataset scripts are no longer supported"), "does not load from the Hub .Dataset scripts"),
        (FileNotFoundError("doesn't exist on the Hub"), "does not load from the Hub"),
        (datasets.exceptions.DatasetGenerationError("broken"), "does not load from the Hub .broken"),
    ],
)
def test_hub_names_that_do_not_load(monkeypatch, error, message):
    def load(name, configuration):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(UserError, match=message) as caught:
        load_labelled("owner/name")
    assert "\n" not in str(caught.value)


def test_a_home_folder_that_is_not_known(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UserError, match=r"~nobody-at-all/texts\.csv"):
        load_labelled("~nobody-at-all/texts.csv")
    with pytest.raises(UserError, match=r"~nobody-at-all/texts\.txt: no such file"):
        load_plain_texts("~nobody-at-all/texts.txt")


def test_a_local_folder_does_not_stand_for_a_name_of_the_hub(tmp_path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="owner/name:plain: owner/name is also a local path; give the path alone"):
        load_labelled("owner/name:plain")


def test_several_folders_of_one_split_are_all_read(tmp_path, caplog):
    for name, text in (("train-1/a", "first"), ("train-2/b", "second"), ("train_cache/notes", None)):
        (tmp_path / name).parent.mkdir()
        if text:
            write_table(tmp_path / f"{name}.parquet", [{"text": text, "label": 0}])
    with caplog.at_level("INFO", "rnnnlp"):
        assert texts(tmp_path)["train"].split() == ["first", "second"]
    assert "2 folders are its train split: train-1, train-2" in caplog.text


def test_plain_text_does_not_hide_the_only_table_of_a_folder(tmp_path, caplog):
    write_table(tmp_path / "reviews.csv", ROWS)
    (tmp_path / "notes.txt").write_text("read me")
    with caplog.at_level("INFO", "rnnnlp"):
        assert len(load_labelled(str(tmp_path), validation_fraction=0).splits["train"]) == 40
    assert "notes.txt left out" in caplog.text
    caplog.clear()
    with caplog.at_level("INFO", "rnnnlp"):
        assert texts(tmp_path) == {"train": "read me"}
    assert "reviews.csv left out" in caplog.text


def test_plain_texts_beside_one_that_is_named_after_a_split(tmp_path, caplog):
    fill(tmp_path, {"train_to_the_sea.txt": "rails", "island.txt": "sand"})
    with caplog.at_level("INFO", "rnnnlp"):
        assert texts(tmp_path) == {"train": "rails"}
    assert "island.txt left out" in caplog.text


def test_a_pattern_leaves_the_test_split_out_of_training(tmp_path, caplog):
    for name in ("train", "dev", "test"):
        write_table(tmp_path / f"{name}.csv", [{"text": f"{name} {k}", "label": k % 2} for k in range(4)])
    found = load_labelled(f"{tmp_path}/*.csv").splits
    assert {split: set(" ".join(part.texts).split()) - set("0123") for split, part in found.items()} == {
        "train": {"train"},
        "validation": {"dev"},
        "test": {"test"},
    }
    write_table(tmp_path / "more.csv", [{"text": "more", "label": 1}])
    with caplog.at_level("INFO", "rnnnlp"):
        assert list(find_source(f"{tmp_path}/*.csv").splits) == ["train"]
    assert "dev.csv, test.csv, like all files that match, are read as train" in caplog.text


def test_data_without_a_split_to_train_on(tmp_path):
    write_table(tmp_path / "test.csv", ROWS)
    (tmp_path / "dev.txt").write_text("text")
    with pytest.raises(
        UserError, match=r"no split 'train'; it has test, as the name of a file or folder says: rename that"
    ):
        load_labelled(str(tmp_path / "test.csv"), splits=("train", "validation"))
