"""Labelled data: labels of every form, splits, the held-out validation split, and errors."""

import json

import datasets
import numpy as np
import pytest

from rnnnlp.errors import UserError
from rnnnlp.text import Classes, ReadOptions, load_labelled
from rnnnlp.text.labelled import LabelledData, LabelledSplit, hold_out_validation, warn_of_copies


def write_jsonl(path, labels, **more):
    path.write_text(
        "".join(json.dumps({"text": f"{i}", "label": label, **more}) + "\n" for i, label in enumerate(labels))
    )
    return str(path)


def write_csv(path, labels):
    path.write_text("text,label\n" + "".join(f"{i},{label}\n" for i, label in enumerate(labels)))
    return str(path)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([10, 2, 10, 2], ("2", "10")),
        (["pos", "neg", "pos"], ("neg", "pos")),
        ([True, False], ("false", "true")),
        ([1.0, 0.0, None], ("0", "1")),
        ([1, "1", 0], ("0", "1")),
        (["好", "坏"], ("坏", "好")),
    ],
)
def test_label_names_are_the_labels_in_order(tmp_path, labels, names):
    data = load_labelled(write_jsonl(tmp_path / "a.jsonl", labels), validation_fraction=0)
    assert data.classes.names == names
    train = data.splits["train"]
    assert train.labels.dtype == np.int64
    assert [names[label] for label in train.labels] == [
        str(label).lower().removesuffix(".0") for label in labels if label is not None
    ]


@pytest.mark.parametrize(("labels", "names"), [(["10", "2", ""], ("2", "10")), (["1.0", "0.0", "NaN"], ("0", "1"))])
def test_labels_of_csv(tmp_path, labels, names):
    data = load_labelled(write_csv(tmp_path / "a.csv", labels), validation_fraction=0)
    assert data.classes.names == names
    assert len(data.splits["train"]) == 2


@pytest.mark.parametrize("word", ["nan", "NAN", "NA", "n/a", "#N/A", "<NA>", "null", "NULL", "None", r"\N"])
def test_words_for_no_label_in_files(tmp_path, word):
    data = load_labelled(write_csv(tmp_path / "a.csv", ["a", "b", word]), validation_fraction=0)
    assert data.classes.names == ("a", "b")


def test_rows_without_a_label_are_dropped_and_logged(tmp_path, caplog):
    spec = write_jsonl(tmp_path / "a.jsonl", [0, 1, "N/A", None, "", float("nan")])
    assert load_labelled(spec, validation_fraction=0).splits["train"].texts == ["0", "1"]
    assert f"{spec}, train: 4 rows without a label (N/A, missing) dropped" in caplog.text


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, "pos"], "mixes kinds of labels .1, 'pos'"),
        ([1, True], "mixes kinds of labels"),
        ([i / 100 for i in range(60)], "60 different labels in 60 texts, such as 0; a classifier needs few"),
        ([f"word {i}" for i in range(120)], "120 different labels in 120 texts, such as 'word 0'"),
        ([[0, 1], [1]], r"has the label '\[0, 1\]'; it is 2 values, and a text has one label"),
        ([{"a": 1}], "has the label .*; it is a dict: expected a name, a number"),
        ([1, 1, 1], "has only the label '1' in train; a classifier needs two classes"),
        ([-1, None], "has no labelled texts in train"),
    ],
)
def test_labels_that_are_refused(tmp_path, labels, message):
    with pytest.raises(UserError, match=message):
        load_labelled(write_jsonl(tmp_path / "a.jsonl", labels))


def with_class_names(path, labels, names):
    rows = datasets.Dataset.from_dict({"text": [str(label) for label in labels], "label": labels})
    rows.cast_column("label", datasets.ClassLabel(names=names)).to_parquet(path)


def test_names_of_the_schema(tmp_path):
    with_class_names(tmp_path / "train.parquet", [1, 1, 0], ["pos", "neg", "unused"])
    with_class_names(tmp_path / "test.parquet", [-1, 1], ["pos", "neg", "unused"])
    data = load_labelled(str(tmp_path), validation_fraction=0)
    assert data.classes.names == ("pos", "neg", "unused")
    assert data.splits["train"].labels.tolist() == [1, 1, 0]
    assert data.splits["test"].labels.tolist() == [1]
    assert load_labelled(str(tmp_path), splits=("test",)).classes.names == ("pos", "neg", "unused")


def test_names_of_the_schema_are_checked_as_labels_are(tmp_path):
    with_class_names(tmp_path / "train.parquet", [1, 0], ["pos ", " neg"])
    assert load_labelled(str(tmp_path), validation_fraction=0).classes.names == ("pos", "neg")
    for name, wrong in ((" ", "it is empty"), ("pos ", "another one is the same"), ("ne\ng", "it has control char")):
        with_class_names(tmp_path / "train.parquet", [1, 0], ["pos", name])
        with pytest.raises(UserError, match=f"the schema of .* names the class .*; {wrong}"):
            load_labelled(str(tmp_path))


def test_schemas_that_disagree(tmp_path):
    with_class_names(tmp_path / "train.parquet", [0, 1], ["pos", "neg"])
    with_class_names(tmp_path / "test.parquet", [0, 1], ["neg", "pos"])
    with pytest.raises(UserError, match=r"name different classes .neg, pos; pos, neg.; they must agree"):
        load_labelled(str(tmp_path))


@pytest.mark.parametrize(
    "wanted", [None, ("train", "validation"), ("validation", "train"), ("validation",), ("train",)]
)
def test_the_same_rows_are_held_out_whichever_splits_are_loaded(tmp_path, wanted):
    write_jsonl(tmp_path / "train.jsonl", [0] * 60 + [1] * 139 + [2])
    write_jsonl(tmp_path / "test.jsonl", [0, 1])
    everything = load_labelled(str(tmp_path), rng_seed=3).splits
    assert np.bincount(everything["validation"].labels).tolist() == [3, 7]  # one of a class of one is never held out
    assert sorted(everything["train"].texts + everything["validation"].texts, key=int) == [str(i) for i in range(200)]
    found = load_labelled(str(tmp_path), rng_seed=3, splits=wanted).splits
    assert list(found) == list(wanted or ("train", "validation", "test"))
    for split, rows in found.items():
        assert rows.texts == everything[split].texts
        assert rows.labels.tolist() == everything[split].labels.tolist()
    other = load_labelled(str(tmp_path), rng_seed=4).splits["validation"]
    assert other.texts != everything["validation"].texts


def test_held_out_rows_are_logged(tmp_path, caplog):
    with caplog.at_level("INFO", "rnnnlp"):
        load_labelled(write_jsonl(tmp_path / "a.jsonl", [0, 1] * 50), rng_seed=7)
    assert "has no validation split: 4 of the 100 rows of train (5 % of each class, seed 7) are held out" in caplog.text


def test_copies_among_the_texts_to_validate_on_are_warned_of(tmp_path, caplog):
    rows = [f"{n % 30},{'ab'[n % 30 % 2]}" for n in range(90)]
    (tmp_path / "copies.csv").write_text("text,label\n" + "\n".join(rows))
    warn_of_copies(load_labelled(str(tmp_path / "copies.csv")))
    assert "4 of the 4 validation texts are also training texts" in caplog.text


@pytest.mark.parametrize(("copies", "said"), [(1, False), (2, True)])
def test_few_copies_are_not_warned_of(copies, said, caplog):
    train, held = (LabelledSplit([str(k) for k in range(n)], np.zeros(n, np.int64)) for n in (copies, 100))
    warn_of_copies(LabelledData({"train": train, "validation": held}, Classes(("a", "b")), "numbers"))
    assert bool(caplog.text) == said


@pytest.mark.parametrize(
    ("splits", "message"),
    [(("test",), "has no split 'test'; it has train, validation"), (("dev",), "has no split 'dev'")],
)
def test_splits_that_are_missing(tmp_path, splits, message):
    with pytest.raises(UserError, match=message):
        load_labelled(write_jsonl(tmp_path / "a.jsonl", [0, 1]), splits=splits)


def test_split_without_labels(tmp_path, caplog):
    write_jsonl(tmp_path / "train.jsonl", [0, 1])
    write_jsonl(tmp_path / "test.jsonl", [-1, -1])
    assert "test" not in load_labelled(str(tmp_path)).splits
    assert "test: 2 rows without a label" in caplog.text
    with pytest.raises(UserError, match="has no labelled texts in test"):
        load_labelled(str(tmp_path), splits=("test",))


def test_plain_text_has_no_labels(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    for spec in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(UserError, match="is plain text; for labels give csv"):
            load_labelled(str(spec))
    with pytest.raises(UserError, match=r"python-docs .* has none of the usual columns label"):
        load_labelled("python-docs")


def test_columns_by_name(tmp_path):
    spec = write_jsonl(tmp_path / "a.jsonl", [0, 1], stars="good", title="t")
    data = load_labelled(spec, ReadOptions(text_column="title", label_column="label"), validation_fraction=0)
    assert data.splits["train"].texts == ["t", "t"]
    with pytest.raises(UserError, match="has no column 'mark'; its columns are text, label, stars, title"):
        load_labelled(spec, ReadOptions(label_column="mark"))


def read_by(classes, folder, labels):
    """The classes of labels that a model with these classes reads."""
    write_jsonl(folder / "test.jsonl", labels)
    return load_labelled(str(folder), classes=classes).splits["test"].labels.tolist()


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        (["pos", "neg"], Classes(("neg", "pos")), [1, 0]),
        (["pos"], Classes(("a", "neg", "pos")), [2]),
        ([1, 0, 1], Classes(("neg", "pos"), "class"), [1, 0, 1]),
        ([5, 1], Classes(("1", "5"), "int"), [1, 0]),
        ([1, 2], Classes(("1", "2", "4", "5"), "class"), [0, 1]),
        ([-1, -1], Classes(("-1", "0", "1"), "int"), [0, 0]),
        ([True, False], Classes(("0", "1"), "int"), [1, 0]),
        (["true"], Classes(("false", "true"), "bool"), [1]),
        ([3.5, "4"], Classes(("3.5", "4"), "float"), [0, 1]),
    ],
)
def test_labels_of_other_data_are_matched_by_value(tmp_path, labels, classes, expected):
    assert read_by(classes, tmp_path, labels) == expected


@pytest.mark.parametrize(
    ("labels", "classes", "unknown"),
    [
        (["good"], Classes(("neg", "pos")), "'good'"),
        ([1, 0], Classes(("bad", "good")), "'0', '1'"),
        ([2, 0], Classes(("neg", "pos"), "class"), "'2'"),
        ([3, 1, 2], Classes(("1", "2", "4", "5"), "int"), "'3'"),
        ([0, 2, 4], Classes(("0", "4"), "int"), "'2'"),
    ],
)
def test_only_labels_that_a_model_does_not_know_are_named(tmp_path, labels, classes, unknown):
    with pytest.raises(UserError, match=f"labels that the model does not know, {unknown}; it knows"):
        read_by(classes, tmp_path, labels)


def test_minus_one_is_a_class_beside_others(tmp_path, caplog):
    """It means "no label" where the schema names the classes, and in a split that has nothing else."""
    with caplog.at_level("INFO", "rnnnlp"):
        data = load_labelled(write_csv(tmp_path / "a.csv", [-1, 0, 1] * 4))
    assert (data.classes.names, data.classes.type) == (("-1", "0", "1"), "int")
    assert "the label -1 stands beside others and is a class" in caplog.text
    assert load_labelled(write_csv(tmp_path / "b.csv", [-1, 1] * 4)).classes.names == ("-1", "1")
    write_csv(tmp_path / "train.csv", [-1, 0, 1] * 4)
    write_csv(tmp_path / "test.csv", [-1, -1])
    assert load_labelled(str(tmp_path)).splits["test"].labels.tolist() == [0, 0]


def test_labels_of_files_have_a_type(tmp_path):
    for labels, kind in (([1, 2], "int"), ([1.5, 2], "float"), (["a", "b"], "str"), ([True, False], "bool")):
        assert load_labelled(write_jsonl(tmp_path / "a.jsonl", labels * 2)).classes.type == kind
    with_class_names(tmp_path / "train.parquet", [0, 1], ["pos", "neg"])
    assert load_labelled(str(tmp_path)).classes.type == "class"


def test_a_split_with_a_label_that_train_lacks_is_refused(tmp_path):
    write_csv(tmp_path / "train.csv", ["negative", "positive"] * 3)
    write_csv(tmp_path / "validation.csv", ["negative", "Positive"])
    with pytest.raises(UserError, match="validation, has labels that train does not know, 'Positive'; it knows"):
        load_labelled(str(tmp_path))


def test_blanks_around_labels_and_spellings(tmp_path, caplog):
    data = load_labelled(write_csv(tmp_path / "a.csv", ["good", " good ", "bad", "Bad", "bad "] * 4))
    assert data.classes.names == ("Bad", "bad", "good")
    assert "the labels 'Bad' and 'bad' are spelled alike and are different classes" in caplog.text


def test_the_whole_of_a_source_as_one_split(tmp_path):
    write_csv(tmp_path / "train.csv", [0, 1] * 20)
    write_csv(tmp_path / "test.csv", [0, 1])
    assert len(load_labelled(str(tmp_path), splits=("all",)).splits["all"]) == 42


def test_each_text_keeps_its_weight():
    split = LabelledSplit([str(k) for k in range(40)], np.arange(40) % 2, np.arange(40.0))
    parts = hold_out_validation(split, "numbers", validation_fraction=0.2)
    whole = LabelledData(parts, Classes(("0", "1")), "numbers", held_out=True).whole()
    for part in (*parts.values(), whole.splits["train"]):
        assert part.weights.tolist() == [float(text) for text in part.texts]
        assert part.labels.tolist() == [int(text) % 2 for text in part.texts]
