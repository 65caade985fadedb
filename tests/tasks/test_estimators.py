"""The public classes: options in the constructor, data in `fit`, folders that keep everything."""

import inspect
import io
import pickle
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rnnnlp
from rnnnlp import CharLM, SentimentClassifier, WordLM, kernels
from rnnnlp.errors import UserError
from rnnnlp.tasks.language_modelling import given_corpus
from rnnnlp.tasks.sentiment.estimator import labelled

TEXTS = ["good film", "lovely day", "bad film", "awful day"] * 5
LABELS = [1, 1, 0, 0] * 5
SMALL: dict[str, Any] = {"steps": 3, "hidden_size": 6, "embedding_size": 4, "batch_size": 2, "backend": "numpy"}
LM = SMALL | {"bptt": 8}


def test_every_public_name_is_there():
    for name in rnnnlp.__all__:
        assert getattr(rnnnlp, name)
        assert name in dir(rnnnlp)
    assert "__version__" in dir(rnnnlp)
    assert issubclass(rnnnlp.NotFittedError, rnnnlp.UserError)
    assert rnnnlp.UserError is UserError
    with pytest.raises(AttributeError, match="no attribute 'Reader'"):
        _ = rnnnlp.Reader  # type: ignore[attr-defined]


@pytest.mark.parametrize("estimator", [CharLM, SentimentClassifier, WordLM])
def test_the_signature_names_the_options_of_the_command_line(estimator: type[Any]):
    names = set(inspect.signature(estimator).parameters)
    assert {"budget", "epochs", "hidden_size", "cell", "seed", "threads"} <= names
    assert names == set(estimator().get_params())
    assert "samples" not in names or estimator is WordLM
    assert "data" not in names


@pytest.mark.parametrize("estimator", [CharLM, SentimentClassifier, WordLM])
def test_help_explains_every_option(estimator: type[Any]):
    arguments = (estimator.__doc__ or "").partition("\n\nArgs:\n")[2].partition("\n\nAttributes:\n")[0]
    explained = [line.split(":")[0].strip() for line in arguments.splitlines() if line[4] != " "]
    assert explained == ["options", *estimator().get_params()]
    assert "\n    dropout: Fraction of features that are dropped in training (default: " in arguments
    assert "\n    momentum: Momentum of sgd, and beta1 of adam and adamw (default: 0." in arguments
    assert "\n    epochs: Number of passes over the data.\n" in arguments


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("random_state", "here it is seed"),
        ("n_jobs", "here it is threads"),
        ("learning_rate", "here it is lr"),
        ("max_iter", "here it is epochs"),
        ("verbose", "the level of the logger 'rnnnlp' decides what is shown"),
        ("xyz", "it has text_column, "),
    ],
)
def test_names_of_other_libraries_are_translated(name: str, advice: str):
    for estimator in (CharLM, SentimentClassifier):
        with pytest.raises(TypeError, match=f"no option '{name}'; {advice}"):
            estimator(**{name: 1})


def test_an_unknown_option_names_the_nearest_one():
    with pytest.raises(TypeError, match="no option 'hiden_size'; did you mean hidden_size"):
        SentimentClassifier(hiden_size=3)
    with pytest.raises(ValueError, match="no option 'hiden_size'; did you mean hidden_size"):
        SentimentClassifier().set_params(hiden_size=3)
    with pytest.raises(TypeError, match="no option 'votes'; it is now ngram_buckets"):
        SentimentClassifier(votes=3)


def test_options_are_kept_as_given_and_checked_by_fit():
    classifier = SentimentClassifier(hidden_size=0, epochs=1)
    assert classifier.hidden_size == 0
    assert repr(classifier) == "SentimentClassifier(epochs=1, hidden_size=0)"
    with pytest.raises(UserError, match=r"^hidden_size is 0; it must be at least 1$"):
        classifier.fit(TEXTS, LABELS)


def test_options_may_be_of_numpy_or_durations(tmp_path: Path):
    options = SMALL | {"steps": None, "budget": "0.5s", "hidden_size": np.int64(6), "lr": np.float32(0.01)}
    classifier = SentimentClassifier(**options).fit(TEXTS, LABELS, out=tmp_path / "run")
    assert classifier.training_["budget"] == 0.5
    with pytest.raises(UserError, match="budget '1 hour' is not a duration"):
        CharLM(budget="1 hour").fit(TEXTS)


def test_kernels_are_those_that_were_chosen_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = CharLM(**LM, threads=1).fit(TEXTS * 10, out=tmp_path / "run")
    used, running = [], kernels.running

    def noted(backend: str | None = None, threads: int | None = None) -> AbstractContextManager[str]:
        used.append((backend, threads))
        return running(backend, threads)

    monkeypatch.setattr(kernels, "running", noted)
    model.generate(length=3)
    assert used.pop() == ("numpy", 1)
    model.set_params(backend="auto").generate(length=3)
    assert used.pop() == ("auto", 1)
    for opened in (CharLM.from_pretrained(tmp_path / "run"), pickle.loads(pickle.dumps(model))):
        opened.generate(length=3)
        assert used == []  # those of the process, not of where it was trained
        opened.set_params(threads=2).generate(length=3)
        assert used.pop() == (None, 2)
        opened.set_params(backend="numpy", threads=None).generate(length=3)
        assert used.pop() == ("numpy", None)


def test_labels_sort_as_what_they_are_and_come_back_from_a_folder(tmp_path: Path):
    labels = [10, 2] * 10
    classifier = SentimentClassifier(**SMALL).fit(TEXTS, labels)
    assert classifier.classes_.tolist() == [2, 10]
    classifier.save_pretrained(tmp_path)
    loaded = SentimentClassifier.from_pretrained(tmp_path)
    assert loaded.classes_.tolist() == [2, 10]
    assert (loaded.predict_proba(TEXTS) == classifier.predict_proba(TEXTS)).all()
    with pytest.raises(UserError, match="there are 20 texts and 19 labels; give one for each text"):
        loaded.score(TEXTS, labels[1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((TEXTS, LABELS[:-1]), "there are 20 texts and 19 labels"),
        ((TEXTS, [1] * 20), "the given labels are all 1"),
        ((TEXTS, LABELS, [1.0] * 3), "there are 20 texts and 3 sample weights"),
        ((TEXTS, LABELS, [-1.0] * 20), "sample_weight has a value that is negative"),
        ((TEXTS, LABELS, None, (["a"], [7])), "validation_data has labels that training does not know, '7'"),
    ],
)
def test_labels_that_do_not_fit_are_named(arguments: Any, message: str):
    with pytest.raises(UserError, match=message):
        labelled(*arguments)


def test_a_weight_counts_as_that_many_copies_of_a_text():
    """One step over all texts at once: weights 2 and 0 are as a text twice and a text left out."""
    one_step = SMALL | {
        "steps": 1,
        "batch_size": 64,
        "dropout": 0.0,
        "averaging": 0.0,
        "label_smoothing": 0.1,
        "tokenizer": "byte",
    }
    held_out = (TEXTS[:4], LABELS[:4])
    twice = SentimentClassifier(**one_step).fit(
        TEXTS[:4] + TEXTS[:2], LABELS[:4] + LABELS[:2], validation_data=held_out
    )
    weights = [2.0, 2.0, 1.0, 1.0, 0.0]
    texts, labels = [*TEXTS[:4], "good film"], [*LABELS[:4], 0]
    weighted = SentimentClassifier(**one_step).fit(texts, labels, sample_weight=weights, validation_data=held_out)
    np.testing.assert_allclose(weighted.predict_proba(TEXTS), twice.predict_proba(TEXTS), rtol=2e-5)


def test_a_score_counts_texts_by_their_weights():
    classifier = SentimentClassifier(**SMALL).fit(TEXTS, LABELS)
    predicted = classifier.predict(TEXTS[:4])
    labels = [predicted[0], *(1 - predicted[1:])]  # the first alone is right
    assert classifier.score(TEXTS[:4], labels) == 0.25
    assert classifier.score(TEXTS[:4], labels, sample_weight=[3.0, 1.0, 2.0, 0.0]) == 0.5
    table = {"text": TEXTS[:4], "label": labels}
    assert classifier.score(table, sample_weight=np.array([1, 0, 0, 0])) == 1
    with pytest.raises(UserError, match="there are 4 texts and 3 sample weights; give one for each text"):
        classifier.score(TEXTS[:4], labels, sample_weight=[1.0, 1.0, 1.0])


def test_before_fit_it_says_what_to_do():
    with pytest.raises(UserError, match=r"not fitted yet; call fit first, or CharLM\.from_pretrained"):
        CharLM().generate()


def test_a_character_model_from_a_path_or_from_texts(tmp_path: Path):
    path = tmp_path / "book.txt"
    path.write_text("\n".join(TEXTS * 10))
    from_path = CharLM(**LM).fit(path, out=tmp_path / "run")
    assert from_path.training_["data"] == str(path)
    from_texts = CharLM(**LM).fit(TEXTS * 10)
    assert from_path.generate("go", length=9, seed=1) == from_texts.generate("go", length=9, seed=1)
    reopened = CharLM.from_pretrained(tmp_path / "run")
    assert reopened.generate("go", length=9, seed=1) == from_path.generate("go", length=9, seed=1)
    with pytest.raises(UserError, match=r"temperature is -1\.0; it must be at least 0"):
        reopened.generate(temperature=-1)
    with pytest.raises(UserError, match="validation_data is given beside a path; give both as texts"):
        CharLM(**LM).fit(path, validation_data=TEXTS)


def test_an_open_file_is_one_text(tmp_path: Path):
    path = tmp_path / "book.txt"
    path.write_text("\n".join(TEXTS * 10))
    with path.open() as file:
        from_file = CharLM(**LM).fit(file)
    assert from_file.generate("go", length=9, seed=1) == CharLM(**LM).fit(path).generate("go", length=9, seed=1)
    given = {"column": None, "separator": None}
    corpus, _ = given_corpus(io.StringIO("one\ntwo\n"), io.BytesIO(b"drei\n"), **given)
    assert corpus is not None
    assert ["".join(corpus.chunks(split)) for split in corpus.splits] == ["one\ntwo\n", "drei\n"]
    for arguments in (([__file__] * 3,), (TEXTS, [__file__] * 3)):
        with pytest.raises(UserError, match=r"data has paths of files, such as .*; it must be texts"):
            given_corpus(*arguments, **given)


def test_the_home_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    model = CharLM(**LM).fit(TEXTS * 10)
    model.save_pretrained("~/model")
    assert (tmp_path / "model" / "config.json").is_file()
    assert CharLM.from_pretrained("~/model").generate(length=9, seed=1) == model.generate(length=9, seed=1)
    assert CharLM(from_="~/model", steps=1, batch_size=2, bptt=8).fit(TEXTS * 10).network_.config.hidden_size == 6
    SentimentClassifier(**SMALL).fit(TEXTS, LABELS).save_pretrained("~/reviews")
    for shared in (False, True):
        assert len(SentimentClassifier.from_pretrained("~/reviews", shared=shared).predict(TEXTS)) == len(TEXTS)


def test_a_byte_model_starts_from_another_one_on_any_bytes(tmp_path: Path):
    texts = [bytes(range(256)).decode("utf-8", "surrogateescape")] * 10
    CharLM(**LM, tokenizer="byte").fit(texts, out=tmp_path / "first")
    options = {"steps": 2, "batch_size": 2, "bptt": 8, "backend": "numpy"}
    CharLM(**options, from_=tmp_path / "first").fit(texts, out=tmp_path / "second")
    assert CharLM.resume(tmp_path / "second", texts, steps=3).training_["tokenizer"] == "byte"
    for kind, wrong in (("char", texts), ("byte", ["some text \ud800 more"] * 50)):
        with pytest.raises(UserError, match="the text holds half a character"):
            CharLM(**LM, tokenizer=kind).fit(wrong)


def test_word_models_from_which_a_classifier_starts(tmp_path: Path):
    words = WordLM(**LM, samples=4, min_frequency=1).fit(TEXTS * 5, out=tmp_path / "words")
    opened = WordLM.from_pretrained(tmp_path / "words")
    assert (opened.training_, opened.samples) == (words.training_, 4)
    trained, found = words.network_.parameters(), opened.network_.parameters()
    assert trained.keys() == found.keys()
    assert all(np.array_equal(trained[name].value, found[name].value) for name in trained)
    classifier = SentimentClassifier(from_=tmp_path / "words", steps=2, backend="numpy").fit(TEXTS, LABELS)
    assert classifier.network_.config.hidden_size == 6
    with pytest.raises(UserError, match=r"hidden_size is \d+, and that of from_ .* is \d+; leave it out"):
        SentimentClassifier(from_=tmp_path / "words", hidden_size=3, steps=2).fit(TEXTS, LABELS)


def test_a_loaded_model_has_the_options_of_its_run_and_fits_again(tmp_path: Path):
    options = SMALL | {"cell": "gru", "seed": 3}
    first = SentimentClassifier(**options).fit(TEXTS, LABELS, out=tmp_path / "run")
    loaded = SentimentClassifier.from_pretrained(tmp_path / "run")
    assert options.items() <= loaded.get_params().items()
    again = SentimentClassifier(**loaded.get_params()).fit(TEXTS, LABELS)
    assert (again.predict_proba(TEXTS) == first.predict_proba(TEXTS)).all()


def test_the_history_is_read_when_it_is_asked_for_and_stays_with_the_model(tmp_path: Path):
    model = CharLM(**LM).fit(TEXTS * 10, out=tmp_path / "run")
    opened = CharLM.from_pretrained(tmp_path / "run")
    assert "history_" not in vars(opened)
    shutil.rmtree(tmp_path / "run")
    again = pickle.loads(pickle.dumps(opened))
    assert again.history_ == opened.history_ == model.history_
    assert model.history_[-1]["step"] == 3
    assert opened.set_params(steps=2).fit(TEXTS * 10).history_[-1]["step"] == 2
    assert not hasattr(CharLM(), "history_")


@pytest.mark.parametrize("given", [{"hidden_size": 8}, {"embedding_size": 8}, {"hidden_size": 8, "embedding_size": 8}])
def test_tied_weights_need_one_size_only(given: dict[str, int]):
    options = {"steps": 1, "batch_size": 2, "bptt": 8, "backend": "numpy", "tied_weights": True}
    config = CharLM(**options, **given).fit(TEXTS * 10).network_.config
    assert (config.hidden_size, config.embedding_size) == (8, 8)
    with pytest.raises(UserError, match="tied_weights is True; it must be false unless embedding_size is hidden_size"):
        CharLM(**options, hidden_size=8, embedding_size=4).fit(TEXTS)


@pytest.fixture(scope="module")
def language_model() -> CharLM:
    return CharLM(**LM).fit(TEXTS * 10)


def test_options_of_generate_in_the_types_that_people_have(language_model: CharLM):
    expected = language_model.generate("go", length=9, seed=1, stop=("zz",))
    options = {"length": 9.0, "seed": np.int64(1), "stop": "zz", "top_k": np.float64(0), "temperature": np.float32(0.8)}
    assert language_model.generate("go", **options)[:3] == expected[:3]
    assert language_model.generate("go", length=9, seed=1, stop=None) == expected
    assert language_model.generate("go", length=9, seed=1, top_k=None, temperature=None) == expected
    assert language_model.generate(None, length=9, seed=1) == language_model.generate(length=9, seed=1)
    assert len({language_model.generate(length=40) for _ in range(4)}) > 1  # without a seed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"seed": "one"}, "seed is 'one'; it must be int"),
        ({"length": 2.5}, "length is 2.5; it must be int"),
        ({"length": "many"}, "length is 'many'; it must be int"),
        ({"prompt": 3}, "prompt is 3; it must be a string"),
        ({"prompt": ["a"]}, r"prompt is \['a'\]; it must be a string"),
        ({"stop": ["END", 3]}, r"stop is \['END', 3\]; it must be a list of strings"),
        ({"errors": "ignored"}, "errors is 'ignored'; it must be as for bytes.decode"),
        ({"stop": ""}, "stop is .* it must be not an empty string"),
        ({"temperature": float("nan")}, "temperature is nan; it must be finite"),
    ],
)
def test_options_of_generate_that_are_refused(language_model: CharLM, options: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        language_model.generate(**options)


def test_an_unknown_option_of_generate_names_the_nearest_one(language_model: CharLM):
    with pytest.raises(TypeError, match="no option 'temprature'; did you mean temperature"):
        language_model.generate(temprature=1)


def test_characters_that_a_prompt_has_and_the_model_lacks_are_logged(language_model: CharLM, caplog):
    assert len(language_model.generate("é", length=5, seed=1)) == 5
    assert "not in the vocabulary of the model, and read as the unknown symbol: 'é' (U+00E9)" in caplog.text


def test_missing_texts_of_a_language_model_are_counted(language_model: CharLM, caplog):
    model = CharLM(**LM).fit([*TEXTS * 10, None, float("nan")])
    assert model.generate("go", length=9, seed=1) == language_model.generate("go", length=9, seed=1)
    assert "data: 2 of the 202 texts are missing and left out" in caplog.text


def test_integral_floats_are_integers():
    assert CharLM(**LM | {"hidden_size": 6.0, "steps": np.float64(3)}).fit(TEXTS * 10).network_.config.hidden_size == 6
    with pytest.raises(UserError, match=r"hidden_size is 6\.5; it must be int"):
        CharLM(**LM | {"hidden_size": 6.5}).fit(TEXTS * 10)
