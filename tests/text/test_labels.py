"""Labels of Python callers: their containers, their types, and what cannot be one."""

import datetime
import enum
from decimal import Decimal
from typing import Any

import datasets
import numpy as np
import pytest

from rnnnlp.errors import UserError
from rnnnlp.text.labels import Classes, as_label, as_labels, name_of


class Stars(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (" good ", "good"),
        ("1", "1"),
        (b"bad", "bad"),
        (np.str_("good"), "good"),
        (np.int64(3), 3),
        (np.float32(3.5), 3.5),
        (np.True_, True),
        (np.array(2), 2),
        (np.array([2]), 2),
        (["good"], "good"),
        (Decimal("3.5"), 3.5),
        (Stars.ONE, 1),
        (None, None),
        (float("nan"), None),
        (np.datetime64("NaT"), None),
        ("", None),
        (" ", None),
        (" NaN", "NaN"),
        ("N/A", "N/A"),
        ("None", "None"),
        ("null", "null"),
    ],
)
def test_a_label_in_its_plain_form(value: Any, label: Any):
    found = as_label(value)
    assert (found, type(found)) == (label, type(label))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1, 2], "it is 2 values"),
        ([], "it is 0 values"),
        (np.zeros(3), "it is 3 values"),
        ({"label": 1}, "it is a dict"),
        (datetime.date(2020, 1, 1), "it is a date"),
        (1j, "it is a complex"),
        (b"\xff", "it is bytes that are not UTF-8"),
        (float("inf"), "it is infinite"),
        (10**18, "it has more than 18 digits"),
        (object, "it is a type"),
    ],
)
def test_what_cannot_be_a_label(value: Any, reason: str):
    with pytest.raises(ValueError, match=reason):
        as_label(value)


def containers(labels: list[Any]) -> dict[str, Any]:
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    return {
        "tuple": tuple(labels),
        "array": np.array(labels),
        "column": np.array(labels)[:, None],
        "rows of one": [[label] for label in labels],
        "objects": np.array(labels, object),
        "generator": (label for label in labels),
        "values": dict(enumerate(labels)).values(),
        "Series": pandas.Series(labels, index=range(9, 9 - len(labels), -1)),
        "category": pandas.Series(labels).astype("category"),
        "frame": pandas.DataFrame({"label": labels}),
        "Column": datasets.Dataset.from_dict({"label": labels})["label"],
        "Array": arrow.array(labels),
        "ChunkedArray": arrow.chunked_array([labels[:1], labels[1:]]),
        "Table": arrow.table({"label": labels}),
    }


def test_labels_in_every_usual_container():
    for name, container in containers([3, 1, 2]).items():
        assert as_labels(container) == [3, 1, 2], name
    pandas = pytest.importorskip("pandas")
    with_gap = pandas.Series([1, None, 0])
    assert as_labels(with_gap) == [1.0, None, 0.0]
    assert as_labels(with_gap.astype("Int64")) == [1, None, 0]
    arrow = pytest.importorskip("pyarrow")
    assert as_labels(arrow.array(["a", None, "b"]).dictionary_encode()) == ["a", None, "b"]


def test_words_for_nothing_are_classes_in_python(caplog: pytest.LogCaptureFixture):
    words = ["None", "NA", "null", "N/A", None, float("nan"), ""]
    assert as_labels(words) == ["None", "NA", "null", "N/A", None, None, None]
    assert not caplog.text
    assert as_labels(np.array(["good", np.nan])) == ["good", "nan"]  # NumPy makes a string of it
    assert "labels: the string 'nan' is a class; give None where a label is missing" in caplog.text


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("good", "labels is one string, 'good'; it must be one label for each text"),
        (3, "labels is 3; it must be one label"),
        ({1, 2}, "labels is a set, which has no order"),
        (np.eye(3), r"labels has the shape \(3, 3\); .* give labels.argmax\(axis=1\)"),
        ([[0, 1], [1, 0]], r"labels\[0\] is '\[0, 1\]'; it is 2 values, and a text has one label"),
        ({"a": [1], "b": [2]}, "labels has the columns a, b; give the one with the labels"),
        (type("LazyFrame", (), {"columns": ["label"]})(), "the data are a lazy LazyFrame; expected a table with rows"),
        ([1, datetime.date(2020, 1, 1)], r"labels\[1\] is '2020-01-01'; it is a date: a label is a name, a number"),
    ],
)
def test_containers_that_are_none_of_labels(labels: Any, message: str):
    with pytest.raises(UserError, match=message):
        as_labels(labels)


@pytest.mark.parametrize(
    ("labels", "names", "kind", "back"),
    [
        ([10, 2], ("2", "10"), "int", [2, 10]),
        (["10", "2"], ("10", "2"), "str", ["10", "2"]),
        ([1.0, 0.0], ("0", "1"), "float", [0.0, 1.0]),
        ([3.5, 4], ("3.5", "4"), "float", [3.5, 4.0]),
        ([True, False], ("false", "true"), "bool", [False, True]),
        ([-1, 1], ("-1", "1"), "int", [-1, 1]),
    ],
)
def test_classes_keep_type_and_order(labels: Any, names: Any, kind: str, back: Any):
    classes = Classes.of(labels, "data")
    assert (classes.names, classes.type, classes.array().tolist()) == (names, kind, back)
    assert list(map(name_of, back)) == list(names)
    assert classes.indices(back, "data").tolist() == [0, 1]


def test_values_that_several_names_may_mean_are_matched_by_name():
    classes = Classes(("1", "1.0", "2"))
    assert classes.indices(["1.0", "1", "2"], "data").tolist() == [1, 0, 2]
    with pytest.raises(UserError, match="does not know, '1'"):
        classes.indices([1], "data")


@pytest.mark.parametrize(
    ("names", "labels", "indices"),
    [
        (("negative", "positive"), ["pos", "neg", "pos"], [1, 0, 1]),
        (("positive", "negative"), ["pos", "neg"], [0, 1]),
        (("Negative", "Positive"), ["NEG", "positive"], [0, 1]),
        (("negative", "positive"), [1, 0, 1.0], [1, 0, 1]),
        (("0", "1"), ["negative", "positive", "negative"], [0, 1, 0]),
        (("negative", "positive"), ["1.0", "0.0"], [1, 0]),
        (("0.0", "1.0"), ["neg", "pos"], [0, 1]),
    ],
)
def test_other_names_of_two_opinions_are_read_by_a_model(
    names: Any, labels: Any, indices: list[int], caplog: pytest.LogCaptureFixture
):
    with caplog.at_level("INFO", "rnnnlp"):
        assert Classes(names).indices(labels, "data").tolist() == indices
    assert caplog.text.count("labels are read by their meaning") == 1
    with pytest.raises(UserError, match="labels that train does not know"):
        Classes(names).indices(labels, "data", of="train")


def test_labels_that_are_known_stay_what_they_are():
    """A schema numbers its classes by place, also where the positive one comes first."""
    assert Classes(("pos", "neg"), "class").indices([0, 1, "positive"], "data").tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("negative", "positive"), ["neg", "neutral"]),
        (("negative", "neutral", "positive"), ["neg"]),
        (("ham", "spam"), ["pos"]),
        (("pos", "positive"), ["neg"]),
    ],
)
def test_other_names_of_other_classes_are_refused(names: Any, labels: list[str]):
    with pytest.raises(UserError, match="labels that the model does not know"):
        Classes(names).indices(labels, "data")


@pytest.mark.parametrize("labels", [["é", "e\u0301"], ["A  b", "a b"], ["ﬁne", "fine"], ["GOOD", "good"]])
def test_spellings_that_look_alike_are_logged(labels: list[str], caplog: pytest.LogCaptureFixture):
    assert len(Classes.of(labels, "data")) == 2
    assert "are spelled alike and are different classes" in caplog.text


def test_unknown_labels_have_no_index_in_a_score(caplog: pytest.LogCaptureFixture):
    classes = Classes(("negative", "positive"))
    assert classes.indices_to_score(["positive", "neutral", "negative", "mixed"], "labels").tolist() == [1, -1, 0, -1]
    said = "labels: 2 of the 4 labels are of classes that the model does not know, 'mixed', 'neutral'; their texts"
    assert caplog.text.count(said) == 1
    assert classes.indices_to_score(["pos", "neg"], "labels").tolist() == [1, 0]
    with pytest.raises(UserError, match="labels has labels that the model does not know, 'neutral'"):
        classes.indices_to_score(["neutral", "neutral"], "labels")


def test_many_unknown_labels_are_counted():
    with pytest.raises(UserError, match="'2', '3', '4', '5', '6' and 3 more; it knows '0', '1'"):
        Classes(("0", "1"), "int").indices(list(range(10)), "data")
