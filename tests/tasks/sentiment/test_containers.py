"""What Python callers hold texts and labels in, and what is missing there: a classifier and an ensemble."""

import pickle
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from rnnnlp import CharLM, Ensemble, SentimentClassifier
from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.estimator import labelled
from rnnnlp.tasks.sentiment.stacking import given_texts
from rnnnlp.text.given import labelled_rows

TEXTS = [f"a {word} {noun}" for word in ("lovely", "fine", "awful", "poor") for noun in ("lamp", "tent", "chair")] * 3
NAMES = (["good"] * 6 + ["bad"] * 6) * 3
SMALL: dict[str, Any] = {
    "steps": 30,
    "hidden_size": 6,
    "embedding_size": 6,
    "batch_size": 8,
    "lr": 0.05,
    "dropout": 0.0,
    "backend": "numpy",
    "tokenizer": "word",
    "min_frequency": 1,
    "evaluations": 1,
}


@pytest.fixture(scope="module")
def classifier() -> SentimentClassifier:
    return SentimentClassifier(**SMALL).fit(TEXTS, NAMES)


@pytest.mark.parametrize(
    ("good", "bad", "same"),
    [
        (1, 0, [1.0, "1", True, np.int64(1)]),
        (True, False, ["True", "true", 1]),
        (1.0, 0.0, [1, "1.0"]),
        ("1", "0", [1, 1.0]),
        (4.5, 2, ["4.5", np.float32(4.5)]),
        (1, -1, [1.0]),
        (b"good", b"bad", ["good"]),
    ],
)
def test_labels_come_back_as_they_were_given(good: Any, bad: Any, same: list[Any], tmp_path):
    labels = [good if name == "good" else bad for name in NAMES]
    model = SentimentClassifier(**SMALL).fit(TEXTS, labels, out=tmp_path / "run")
    plain = [label.decode() if isinstance(label, bytes) else label for label in labels]
    for one in (model, SentimentClassifier.from_pretrained(tmp_path / "run")):
        predicted = one.predict(TEXTS)
        assert predicted.dtype == np.array(plain).dtype
        assert predicted.tolist() == plain
        assert one.score(TEXTS, labels) == one.score(np.array(TEXTS), np.array(labels)) == 1
        assert set(one.classes_.tolist()) == set(plain)
    for value in same:
        assert model.score(TEXTS[:1], [value]) == 1
    with pytest.raises(UserError, match="labels has labels that the model does not know, 'neutral'; it knows"):
        model.score(TEXTS[:1], ["neutral"])


def holders(texts: list[str]) -> dict[str, Any]:
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    series = pandas.Series(texts, index=range(len(texts), 0, -1))
    return {
        "tuple": tuple(texts),
        "array": np.array(texts),
        "objects": np.array(texts, object),
        "column": np.array(texts)[:, None],
        "strings of NumPy": [np.str_(text) for text in texts],
        "bytes": [text.encode() for text in texts],
        "array of bytes": np.array([text.encode() for text in texts]),
        "generator": (text for text in texts),
        "values": dict(enumerate(texts)).values(),
        "Series": series,
        "string": series.astype("string"),
        "Index": pandas.Index(texts),
        "frame of one column": series.to_frame("text"),
        "Column": datasets.Dataset.from_dict({"text": texts})["text"],
        "data set of one column": datasets.Dataset.from_dict({"text": texts}),
        "Array": arrow.array(texts),
        "ChunkedArray": arrow.chunked_array([texts[:1], texts[1:]]),
        "dict of Arrow": {"text": arrow.array(texts)},
    }


def test_texts_in_every_usual_container(classifier: SentimentClassifier):
    expected = classifier.predict_proba(TEXTS)
    for name, holder in holders(TEXTS).items():
        assert (classifier.predict_proba(holder) == expected).all(), name
    for name, holder in holders(TEXTS).items():
        assert classifier.explain(holder) == classifier.explain(TEXTS), name


def tables(texts: list[str], labels: list[Any], names: tuple[str, str] = ("text", "label")) -> dict[str, Any]:
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    columns = {"id": list(range(len(texts))), names[0]: texts, names[1]: labels}
    dataset, table = datasets.Dataset.from_dict(columns), arrow.table(columns)
    return {
        "DataFrame": pandas.DataFrame(columns, index=range(len(texts), 0, -1)),
        "Dataset": dataset,
        "IterableDataset": dataset.to_iterable_dataset(),
        "IterableDataset without features": dataset.to_iterable_dataset().map(dict),
        "Table": table,
        "RecordBatch": table.to_batches()[0],
        "RecordBatchReader": table.to_reader(),
        "dict": columns,
    }


def test_tables_with_usual_columns(classifier: SentimentClassifier):
    expected = classifier.predict_proba(TEXTS)
    for name, table in tables(TEXTS, NAMES).items():
        assert (classifier.predict_proba(table) == expected).all(), name
    for name, table in tables(TEXTS, NAMES).items():
        assert classifier.score(table) == 1, name
    for name, table in tables(TEXTS, NAMES).items():
        assert [answer.label for answer in classifier.predict_stream(table)] == NAMES, name
    given = labelled(TEXTS, NAMES).splits["train"]
    for name, table in tables(TEXTS, NAMES).items():
        train = labelled(table, None).splits["train"]
        assert (train.texts, train.labels.tolist()) == (given.texts, given.labels.tolist()), name


def test_tables_whose_columns_are_named(tmp_path: Path):
    named = {"text_column": "words", "label_column": "mood"}
    whole = tables([*TEXTS, "a lamp", None], [*NAMES, None, "good"], ("words", "mood"))
    model = SentimentClassifier(**SMALL, **named).fit(whole["DataFrame"], out=tmp_path / "run")
    assert model.score(whole["Table"]) == model.score(whole["IterableDataset"], [*NAMES, None, "good"]) == 1
    opened = SentimentClassifier.from_pretrained(tmp_path / "run")
    assert opened.predict(whole["dict"]).tolist()[-1] is None
    assert SentimentClassifier.resume(tmp_path / "run", whole["Dataset"], steps=40).score(whole["Dataset"]) == 1
    with pytest.raises(
        UserError, match=r"texts, a DataFrame has none of the usual columns .*: name one with text_column"
    ):
        SentimentClassifier(**SMALL).fit(whole["DataFrame"])
    with pytest.raises(UserError, match="texts, a DataFrame has no column 'x'; its columns are id, words, mood"):
        SentimentClassifier(**SMALL, text_column="x").fit(whole["DataFrame"])


def test_the_named_column_of_texts_whose_labels_are_apart() -> None:
    frame = {"words": ["a", "b"], "text": ["no", "no"]}
    assert labelled_rows(frame, ["x", "y"], columns=("words", None)).texts == ["a", "b"]


def test_a_number_as_the_name_of_a_column_is_refused(classifier: SentimentClassifier):
    import pandas as pd

    frame = pd.DataFrame({0: TEXTS, 1: NAMES})
    named = SentimentClassifier(**SMALL, text_column="0", label_column="1").fit(frame)
    assert named.score(frame) == named.score(TEXTS, NAMES)
    for options, message in (
        ({"text_column": 0}, "^text_column is 0; it must be a string, as '0'$"),
        ({"text_column": "0", "label_column": 1}, "^label_column is 1; it must be a string, as '1'$"),
    ):
        with pytest.raises(UserError, match=message):
            SentimentClassifier(**SMALL, **options).fit(frame)
        with pytest.raises(UserError, match=message):
            named.set_params(**options).score(frame)
    with pytest.raises(UserError, match="text_column is 0; it must be a string"):
        CharLM(text_column=0).fit(frame)


def test_a_column_may_be_called_features(classifier: SentimentClassifier):
    import pandas as pd

    frame = pd.DataFrame({"text": TEXTS, "label": NAMES, "features": 1.0})
    assert classifier.score(frame) == 1
    assert SentimentClassifier(**SMALL).fit(frame).score(frame) == 1


def test_columns_of_different_lengths_are_named():
    with pytest.raises(UserError, match="texts, a dict has columns of different lengths, 36 and 1; expected one value"):
        SentimentClassifier(**SMALL).fit({"text": TEXTS, "label": ["good"]})


def test_a_batch_of_map_is_a_table(classifier: SentimentClassifier):
    dataset = datasets.Dataset.from_dict({"id": list(range(len(TEXTS))), "text": TEXTS})
    found = dataset.map(lambda batch: {"label": classifier.predict(batch).tolist()}, batched=True)
    assert list(found["label"]) == NAMES
    with pytest.raises(UserError, match="has the string 'a lovely lamp' as column 'text'"):
        dataset.map(classifier.predict)


def test_classes_of_a_schema(tmp_path: Path):
    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["bad", "good"]))
    rows = {"text": [*TEXTS, "no label"], "label": [int(name == "good") for name in NAMES] + [-1]}
    dataset = datasets.Dataset.from_dict(rows, features=features)
    model = SentimentClassifier(**SMALL).fit(dataset, validation_data=dataset)
    assert model.predict(dataset)[:-1].tolist() == NAMES
    assert model.score(dataset) == model.score(TEXTS, rows["label"][:-1]) == 1
    table = dataset.with_format("arrow")[:]
    for name, one in (("Table", table), ("RecordBatch", table.to_batches()[0]), ("Reader", table.to_reader())):
        found = labelled_rows(one, None)
        assert (found.labels, found.class_names) == (NAMES, ("bad", "good")), name
    other = table.replace_schema_metadata({"huggingface": "[]"})
    assert labelled_rows(other, None).labels == rows["label"]


def test_a_stream_is_answered_while_it_is_read(classifier: SentimentClassifier):
    taken = []

    def texts():
        for text in [*TEXTS, None]:
            taken.append(text)
            yield text

    stream = classifier.predict_stream(texts())
    text, label, probabilities = next(stream)
    assert (text, label) == (TEXTS[0], NAMES[0])
    assert probabilities == pytest.approx(classifier.predict_proba(TEXTS[:1])[0])
    assert len(taken) == 16
    rest = list(stream)
    assert [answer.label for answer in rest] == [*NAMES[1:], None]
    assert np.isnan(rest[-1].probabilities).all()
    taken.clear()
    assert next(classifier.network_.predict_stream(texts(), batch_size=1)).label == NAMES[0]
    assert len(taken) == 1
    with pytest.raises(UserError, match="batch_size is 0; it must be at least 1, or None"):
        next(classifier.predict_stream(texts(), batch_size=0))


class LazyTable:
    """As a `LazyFrame` of Polars, which warns where its columns are asked for."""

    @property
    def columns(self) -> list[str]:
        raise AssertionError("the columns are not known yet")


def wrong_texts() -> list[tuple[Any, str]]:
    pandas = pytest.importorskip("pandas")
    return [
        (
            "What a lovely lamp",
            "texts is one string, 'What a lovely lamp'; it must be several texts: put it into a list",
        ),
        (b"What a lovely lamp", "texts is one string"),
        (np.array("a lovely lamp"), "it must be texts, such as a list of strings"),
        ([["a", "lovely", "lamp"]], r"texts\[0\] is a list of 3 items; .* join its words with spaces"),
        ([("a", 1)], r"texts\[0\] is a tuple of 2 items"),
        ([{"text": "a"}], r"texts\[0\] is a dict with text; give the strings of one key"),
        ([3], r"texts\[0\] is '3' \(int\); every text must be a string"),
        ([b"\xff"], r"texts\[0\] is bytes that are not UTF-8"),
        (np.array([["a", "b"]]), r"texts has the shape \(1, 2\)"),
        (
            {"a": TEXTS, "b": NAMES},
            "texts, a dict has none of the usual columns text, .*; its columns are a, b: name one",
        ),
        (pandas.DataFrame({"text": TEXTS, "body": NAMES}), "texts, a DataFrame has the columns text and body, which"),
        ({"text": "a lamp"}, "texts, a dict has the string 'a lamp' as column 'text'; .*: put it into a list"),
        (
            datasets.DatasetDict(test=datasets.Dataset.from_dict({"text": TEXTS})),
            "a DatasetDict of test; give one of th",
        ),
        (3, "texts is 3"),
        ({"a", "b"}, "texts is a set, which has no order"),
        ([Path(__file__)], "texts has paths of files, such as .*; it must be texts: read the files first"),
        (__file__, "texts is one string, .*: put it into a list; if it is the name of a file, read the file first"),
        (LazyTable(), r"the data are a lazy LazyTable; expected .*: collect it first, with collect\(\) of Polars"),
    ]


def test_what_is_no_list_of_texts_is_named(classifier: SentimentClassifier):
    ensemble = Ensemble([classifier.network_, classifier.network_], np.array([1.0, 0.5]))
    for texts, message in wrong_texts():
        for ask in (
            classifier.predict,
            classifier.predict_proba,
            classifier.explain,
            ensemble.predict,
            ensemble.explain,
        ):
            with pytest.raises(UserError, match=message):
                ask(texts)
        with pytest.raises(UserError, match=message):
            SentimentClassifier(**SMALL).fit(texts, NAMES)


def test_names_of_files_are_texts_wherever_nothing_is_learned(
    classifier: SentimentClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    names = ["a lovely lamp", "a poor tent"] * 18
    before = classifier.predict_proba(names)
    for name in names:
        (tmp_path / name).touch()
    assert (classifier.predict_proba(names) == before).all()
    assert classifier.score(names, NAMES) == 0.5
    assert [answer.label for answer in classifier.predict_stream(names[:2])] == ["good", "bad"]
    given = {"texts": (names, NAMES), "the validation texts": (TEXTS, NAMES, None, (names, NAMES))}
    for where, arguments in given.items():
        with pytest.raises(UserError, match=f"{where} has paths of files, such as a lovely lamp; it must be texts"):
            labelled(*arguments)
    with pytest.raises(UserError, match="data has paths of files"):
        given_texts((names, NAMES), classifier.network_.classes)


@pytest.mark.parametrize("hole", [None, float("nan"), np.nan, "pandas.NA"])
def test_missing_texts_have_an_answer_that_says_so(classifier: SentimentClassifier, hole: Any, caplog):
    hole = pytest.importorskip("pandas").NA if hole == "pandas.NA" else hole
    ensemble = Ensemble([classifier.network_, classifier.network_], np.array([1.0, 0.5]))
    for model in (classifier, ensemble):
        assert model.predict(["a lovely lamp", hole, "a poor tent"]).tolist() == ["good", None, "bad"]
        probabilities = model.predict_proba(["a lovely lamp", hole])
        assert np.isnan(probabilities[1]).all()
        assert (probabilities[0] == model.predict_proba(["a lovely lamp"])[0]).all()
        first, second = model.explain(["a lovely lamp", hole])
        assert second is None
        assert [first] == model.explain(["a lovely lamp"])
        assert model.score(["a lovely lamp", hole, "a poor tent"], ["good", "good", hole]) == 1
    assert "2 of the 3 rows left out: 1 without a text, 1 without a label" in caplog.text
    assert model.predict([hole, hole]).tolist() == [None, None]
    with pytest.raises(UserError, match="there is no text with a label; give at least one"):
        model.score([hole], ["good"])


@pytest.mark.parametrize("hole", [None, float("nan"), "", " "])
def test_rows_without_a_label_are_left_out_of_training(hole: Any, caplog):
    model = SentimentClassifier(**SMALL).fit([*TEXTS, "a", None], [*NAMES, hole, "good"], [1.0] * 36 + [3.0, 5.0])
    assert model.classes_.tolist() == ["bad", "good"]
    assert "2 of the 38 rows left out: 1 without a text, 1 without a label" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TEXTS, ["good"] * 36), "the given labels are all 'good'; a classifier needs two classes"),
        ((TEXTS, [None] * 36), "there are no texts with labels; give some of each of two classes"),
        ((TEXTS, [1, "good"] * 18), "the given data mixes kinds of labels"),
        (([], []), "there are no texts with labels"),
        ((TEXTS, np.eye(36)), r"labels has the shape \(36, 36\)"),
        ((TEXTS, NAMES, [[1.0]] * 36), "sample_weight must be one number for each text"),
        ((TEXTS, NAMES, "heavy"), "sample_weight must be one number for each text"),
        ((TEXTS, NAMES, ["a"] * 36), "sample_weight must be one number for each text"),
    ],
)
def test_labels_and_weights_that_are_refused(arguments: Any, message: str):
    with pytest.raises(UserError, match=message):
        SentimentClassifier(**SMALL).fit(*arguments)


@pytest.mark.parametrize(
    ("validation_data", "message"),
    [
        (TEXTS, r"validation_data must be a pair \(texts, labels\), or a table"),
        (7, "validation_data must be a pair"),
        (("text", "good"), "the validation texts is one string"),
        (([], []), "validation_data has no text with a label; give some, or leave it out"),
        ((["text"], ["neutral"]), "validation_data has labels that training does not know, 'neutral'; it knows"),
        ((["text"], ["good", "bad"]), "there are 1 texts and 2 the validation labels"),
    ],
)
def test_validation_data_that_are_refused(validation_data: Any, message: str):
    with pytest.raises(UserError, match=message):
        SentimentClassifier(**SMALL).fit(TEXTS, NAMES, validation_data=validation_data)


def test_labels_to_explain(classifier: SentimentClassifier):
    against, towards = classifier.explain(["a lovely lamp"] * 2, ["bad", "good"])
    assert against is not None
    assert towards is not None
    assert [word.weight for word in against] == pytest.approx([-word.weight for word in towards], rel=1e-4)
    with pytest.raises(UserError, match="there are 2 texts and 1 labels"):
        classifier.explain(["a", "b"], ["bad"])
    with pytest.raises(UserError, match="labels has a missing value"):
        classifier.explain(["a"], [None])
    with pytest.raises(UserError, match="does not know, 'neutral'"):
        classifier.explain(["a"], ["neutral"])


def test_blanks_around_labels_are_said(caplog: pytest.LogCaptureFixture):
    model = SentimentClassifier(**SMALL).fit(TEXTS, [f"{name} " for name in NAMES])
    assert model.classes_.tolist() == ["bad", "good"]
    assert "labels: the blanks around labels such as 'good ' are left out, in predictions too" in caplog.text


@pytest.mark.parametrize("cell", ["gru", "gru_reset_first", "elman_tanh"])
def test_every_classifier_can_be_pickled(cell: str, tmp_path: Path):
    model = SentimentClassifier(**SMALL | {"cell": cell}).fit(TEXTS, NAMES)
    ensemble = Ensemble([model.network_, model.network_], np.array([1.0, 0.5]))
    ensemble.save_pretrained(tmp_path)
    for one in (model, ensemble, Ensemble.from_pretrained(tmp_path), SentimentClassifier.from_pretrained(tmp_path)):
        assert (pickle.loads(pickle.dumps(one)).predict_proba(TEXTS) == one.predict_proba(TEXTS)).all()


def test_runs_of_python_become_an_ensemble_on_given_texts(tmp_path: Path):
    runs = [tmp_path / "a", tmp_path / "b"]
    for seed, run in enumerate(runs):
        SentimentClassifier(**SMALL | {"seed": seed}).fit(TEXTS, NAMES, out=run)
    ensemble = Ensemble.from_runs(runs, data=(TEXTS, NAMES))
    assert ensemble.score(TEXTS, NAMES) == 1
    (tmp_path / "c.csv").write_text("text,label\n" + "".join(f"{t},{n}\n" for t, n in zip(TEXTS, NAMES, strict=True)))
    assert Ensemble.from_runs(runs, data=tmp_path / "c.csv").score(TEXTS, NAMES) == 1
    for wrong, message in (
        ({"data": (TEXTS,)}, r"data has 1 elements; it must be a name, or a pair \(texts, labels\)"),
        ({"data": 3}, "Ensemble.from_runs: data is 3; it must be nothing or str"),
        ({"text_colum": "x"}, "Ensemble.from_runs: unknown key 'text_colum'; known are"),
        ({"data": ([], [])}, "data has no text with a label"),
        ({"data": (TEXTS, [None] * 36)}, "data has no text with a label"),
        ({"data": (TEXTS, [2] * 36)}, "data has labels that the model does not know, '2'"),
    ):
        with pytest.raises(UserError, match=message):
            Ensemble.from_runs(runs, out=tmp_path / "new", **wrong)
        assert not (tmp_path / "new").exists()  # nothing is left of what was refused


def test_a_run_is_resumed_with_its_own_labels_and_weights_only(tmp_path: Path):
    run, weights = tmp_path / "run", np.linspace(1, 2, 36)
    SentimentClassifier(**SMALL).fit(TEXTS, NAMES, weights, out=run)
    with pytest.raises(UserError, match=r"the given labels are of the classes 0, 1, and those of .* are bad, good"):
        SentimentClassifier.resume(run, TEXTS, [int(name == "good") for name in NAMES], weights, steps=40)
    for other in (None, weights[::-1]):
        with pytest.raises(UserError, match=r"is not what .* was trained on"):
            SentimentClassifier.resume(run, TEXTS, NAMES, other, steps=40)
    for alone in ({"sample_weight": weights}, {"validation_data": (TEXTS, NAMES)}):
        with pytest.raises(UserError, match="texts is None; it must be texts, such as a list of strings"):
            SentimentClassifier.resume(run, steps=40, **alone)
    assert SentimentClassifier.resume(run, TEXTS, NAMES, weights, steps=40).score(TEXTS, NAMES) == 1


def test_names_of_classes_in_a_schema_may_be_words_for_no_label() -> None:
    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["None", "against"]))
    rows = {"text": ["a lamp", "a tent"] * 10, "label": [0, 1] * 10}
    found = labelled_rows(datasets.Dataset.from_dict(rows, features), None)
    assert found.class_names == ("None", "against")
    assert found.labels == ["None", "against"] * 10


def test_names_of_classes_in_a_schema_are_checked_as_labels_are() -> None:
    features = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["for ", "a\tb"]))
    with pytest.raises(UserError, match=r"names the class 'a\\tb'; it has control characters or line ends: correct"):
        labelled_rows(datasets.Dataset.from_dict({"text": ["a lamp"], "label": [0]}, features), None)


def test_one_column_is_not_the_texts_and_the_labels() -> None:
    with pytest.raises(UserError, match="column 'label' is taken for the texts and for the labels"):
        labelled_rows({"label": ["good", "bad"]}, None)


@pytest.mark.parametrize("labels", [np.array("pos"), np.array(1)])
def test_an_array_without_a_dimension_is_no_list_of_labels(labels: np.ndarray) -> None:
    with pytest.raises(UserError, match="it must be one label for each text"):
        labelled_rows(["a", "b", "c"], labels)


def test_weights_of_the_rows_that_count() -> None:
    with pytest.raises(UserError, match="sample_weight is 0 for every text with a label"):
        labelled_rows(["good", None], ["pos", "pos"], [0, 1])
    rows = labelled_rows(["a", None, "b"], ["x", "x", "y"], [1.0, 2.0, 3.0])
    assert rows.weights is not None
    assert (rows.texts, rows.weights.tolist()) == (["a", "b"], [1.0, 3.0])


def test_a_text_of_weight_0_is_left_out() -> None:
    weights = np.ones(40)
    weights[::4] = 0
    texts = [f"{word} {n}" for n in range(20) for word in ("good", "bad")]
    data = labelled(texts, ["pos", "neg"] * 20, weights)
    counted = [*data.splits["train"].texts, *data.splits["validation"].texts]
    assert sorted(counted) == sorted(np.array(texts)[weights > 0])
    with pytest.raises(UserError, match="the given labels are all 'pos'"):
        labelled(texts, ["pos", "neg"] * 20, [1, 0] * 20)


def test_an_array_as_an_option_is_refused_in_one_line() -> None:
    classifier = SentimentClassifier(class_weights=np.array([1.0, 2.0]))
    assert "class_weights=array" in repr(classifier)
    with pytest.raises(UserError, match="class_weights is"):
        classifier.fit(["a", "b"] * 5, [0, 1] * 5)
