"""A linear baseline, TF-IDF with logistic regression, that a network should outperform."""

# n texts, K classes

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnnlp.errors import UserError, option
from rnnnlp.text import LabelledSplit, is_unspaced


def baseline_probabilities(train: LabelledSplit, texts: Sequence[str], classes: int) -> np.ndarray:
    """Trains the baseline and predicts class probabilities.

    The features are word 1- and 2-grams. For text without spaces between words, they are character 1- to 3-grams.

    Args:
        train: The texts to train on.
        texts: The texts to classify.
        classes: The number of classes.

    Returns:
        `(n, classes)`.

    Raises:
        UserError: If no word occurs in two texts of `train`.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    grams: dict[str, Any] = {"ngram_range": (1, 2)}
    if is_unspaced(train.texts):
        grams = {"analyzer": "char", "ngram_range": (1, 3)}
    vectorizer = TfidfVectorizer(min_df=2, sublinear_tf=True, dtype=np.float32, **grams)
    try:
        counts = vectorizer.fit_transform(train.texts)
    except ValueError:
        raise UserError(
            f"{option('baseline')} finds no word twice in the training texts; leave it out, or give more"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits do not matter here
        model = LogisticRegression(C=10.0, max_iter=300).fit(counts, train.labels)
    probabilities = np.zeros((len(texts), classes))
    probabilities[:, model.classes_] = model.predict_proba(vectorizer.transform(texts))
    return probabilities
