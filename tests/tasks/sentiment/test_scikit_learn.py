"""The classifier in the tools of scikit-learn, with lists of texts, and labels of every type."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from rnnnlp import SentimentClassifier

TEXTS = [
    f"{adjective} {noun}" for adjective in ("good", "lovely", "bad", "awful") for noun in "film day book tea".split()
]
SIGNS = [1] * 8 + [0] * 8
LABELS = {
    "integers": SIGNS,
    "strings": ["pos" if sign else "neg" for sign in SIGNS],
    "booleans": [bool(sign) for sign in SIGNS],
}
OPTIONS: dict[str, Any] = {
    "epochs": 8,
    "hidden_size": 8,
    "embedding_size": 8,
    "batch_size": 4,
    "min_frequency": 1,
    "lr": 0.02,
    "dropout": 0.0,
    "patience": 0,
    "backend": "numpy",
}


@pytest.fixture
def classifier() -> SentimentClassifier:
    return SentimentClassifier(**OPTIONS)


def lower(texts: list[str]) -> list[str]:
    return [text.lower() for text in texts]


@pytest.mark.parametrize("kind", LABELS)
def test_predictions_have_the_type_of_the_labels(classifier: SentimentClassifier, kind: str):
    labels = LABELS[kind]
    assert classifier.fit(TEXTS, labels) is classifier
    assert classifier.classes_.tolist() == sorted(set(labels))
    predicted = classifier.predict(TEXTS)
    assert {type(label) for label in predicted.tolist()} == {type(labels[0])}
    assert classifier.score(TEXTS, labels) == np.mean(predicted == np.array(labels)) > 0.8
    probabilities = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (classifier.classes_[probabilities.argmax(axis=1)] == predicted).all()


def test_clone_has_the_options_and_nothing_else(classifier: SentimentClassifier):
    classifier.fit(TEXTS, SIGNS)
    twin = clone(classifier)
    assert twin.get_params() == classifier.get_params()
    assert is_classifier(twin)
    with pytest.raises(ValueError, match="not fitted"):
        twin.predict(TEXTS)
    with pytest.raises(AttributeError):
        check_is_fitted(twin)
    check_is_fitted(classifier)


def test_fit_again_forgets_the_first_data(classifier: SentimentClassifier):
    first = classifier.fit(TEXTS, LABELS["strings"]).predict_proba(TEXTS)
    classifier.fit([*TEXTS, "odd thing", "odd film"], [*SIGNS, 2, 2])
    assert classifier.classes_.tolist() == [0, 1, 2]
    assert (classifier.fit(TEXTS, LABELS["strings"]).predict_proba(TEXTS) == first).all()


@pytest.mark.parametrize("kind", LABELS)
def test_pipeline(classifier: SentimentClassifier, kind: str):
    pipeline = Pipeline([("lower", FunctionTransformer(lower)), ("classifier", classifier)])
    pipeline.set_params(classifier__seed=3).fit(TEXTS, LABELS[kind])
    assert classifier.seed == 3
    assert pipeline.score([text.upper() for text in TEXTS], LABELS[kind]) > 0.8


@pytest.mark.parametrize("kind", LABELS)
def test_grid_search_in_two_processes(classifier: SentimentClassifier, kind: str):
    search = GridSearchCV(classifier, {"lr": [1e-9, 0.02]}, cv=2, n_jobs=2).fit(TEXTS * 3, LABELS[kind] * 3)
    assert search.best_params_ == {"lr": 0.02}
    assert set(search.predict(TEXTS).tolist()) <= set(LABELS[kind])


@pytest.mark.parametrize("kind", LABELS)
def test_cross_val_predict(classifier: SentimentClassifier, kind: str):
    predicted = cross_val_predict(classifier, TEXTS, LABELS[kind], cv=2)
    assert set(predicted.tolist()) <= set(LABELS[kind])
    probabilities = cross_val_predict(classifier, TEXTS, LABELS[kind], cv=2, method="predict_proba")
    assert probabilities.shape == (len(TEXTS), 2)


def test_a_fold_whose_training_texts_lack_a_class_has_a_score(classifier: SentimentClassifier):
    texts, labels, groups = [*TEXTS, "odd thing", "odd film"], [*SIGNS, 2, 2], [0, 1] * 8 + [0, 0]
    scores = cross_val_score(classifier, texts, labels, groups=groups, cv=GroupKFold(2), error_score="raise")
    assert sorted(scores)[0] <= 0.8  # of 10 texts two have the class that was not there
    assert (scores > 0).all()


@pytest.mark.parametrize("kind", LABELS)
def test_calibrated_classifier(classifier: SentimentClassifier, kind: str):
    calibrated = CalibratedClassifierCV(classifier, cv=2).fit(TEXTS, LABELS[kind])
    assert calibrated.predict_proba(TEXTS).shape == (len(TEXTS), 2)
    assert set(calibrated.predict(TEXTS).tolist()) <= set(LABELS[kind])


@pytest.mark.parametrize("kind", LABELS)
def test_voting_classifier(classifier: SentimentClassifier, kind: str):
    members = [("one", classifier), ("two", clone(classifier).set_params(seed=1))]
    voting = VotingClassifier(members, voting="soft").fit(TEXTS, LABELS[kind], sample_weight=np.ones(len(TEXTS)))
    assert voting.score(TEXTS, LABELS[kind]) > 0.8


@pytest.mark.parametrize("kind", LABELS)
def test_joblib_and_deepcopy_keep_the_predictions(classifier: SentimentClassifier, kind: str, tmp_path: Path):
    import joblib

    expected = classifier.fit(TEXTS, LABELS[kind]).predict_proba(TEXTS)
    joblib.dump(classifier, tmp_path / "classifier.joblib")
    for twin in (joblib.load(tmp_path / "classifier.joblib"), copy.deepcopy(classifier)):
        assert (twin.predict_proba(TEXTS) == expected).all()
        assert twin.predict(TEXTS).dtype == classifier.predict(TEXTS).dtype
