"""Classifiers that a process opens once, and that are pickled as the path of their folder."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp import SentimentClassifier

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


def test_a_shared_classifier_is_opened_once_and_pickled_as_its_path(classifier: SentimentClassifier, tmp_path: Path):
    classifier.save_pretrained(tmp_path)
    shared = SentimentClassifier.from_pretrained(tmp_path, shared=True)
    again = pickle.loads(pickle.dumps(shared))
    assert len(pickle.dumps(shared)) < 300 + len(str(tmp_path))
    assert again is not shared
    assert again.network_ is shared.network_ is SentimentClassifier.from_pretrained(tmp_path, shared=True).network_
    assert again.predict(TEXTS).tolist() == NAMES
    assert again.get_params() == SentimentClassifier.from_pretrained(tmp_path).get_params()
    again.set_params(steps=1).fit(TEXTS, NAMES)  # it has weights of its own, which no path has
    assert len(pickle.dumps(again)) > 5000
    assert SentimentClassifier.from_pretrained(tmp_path, shared=True).network_ is shared.network_
    assert pickle.loads(pickle.dumps(classifier)).network_ is not classifier.network_


def test_a_shared_classifier_is_opened_again_when_its_folder_has_other_weights(
    classifier: SentimentClassifier, tmp_path: Path
):
    classifier.save_pretrained(tmp_path)
    before = SentimentClassifier.from_pretrained(tmp_path, shared=True)
    other = SentimentClassifier(**SMALL).fit(TEXTS, ["bad" if name == "good" else "good" for name in NAMES])
    other.save_pretrained(tmp_path)
    after = SentimentClassifier.from_pretrained(tmp_path, shared=True)
    assert after.predict(TEXTS).tolist() == other.predict(TEXTS).tolist() != NAMES
    assert before.predict(TEXTS).tolist() == NAMES
    assert pickle.dumps(before) != pickle.dumps(after)  # so `datasets` does not take cached answers for the new ones
    assert pickle.loads(pickle.dumps(before)).network_ is after.network_


@pytest.mark.parametrize("twin_of", [lambda model: pickle.loads(pickle.dumps(model)), copy.copy, copy.deepcopy])
def test_options_that_were_changed_stay_with_a_shared_classifier(
    twin_of: Callable[[Any], Any], classifier: SentimentClassifier, tmp_path: Path
):
    classifier.save_pretrained(tmp_path)
    shared = SentimentClassifier.from_pretrained(tmp_path, shared=True)
    shared.set_params(text_column="comment", class_weights=np.array([1.0, 2.0]))
    twin = twin_of(twin_of(shared))
    assert twin.network_ is shared.network_
    assert twin.text_column == "comment"
    assert twin.class_weights.tolist() == [1, 2]
    assert twin.predict({"text": NAMES, "comment": TEXTS}).tolist() == NAMES
    assert SentimentClassifier.from_pretrained(tmp_path, shared=True).text_column is None
    assert len(pickle.dumps(shared)) < 1000 + len(str(tmp_path))
