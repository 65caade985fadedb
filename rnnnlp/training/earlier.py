"""What earlier versions called things, so that their run folders and users' habits still find the way."""

import re
from collections.abc import Mapping
from typing import TypeVar

MODEL_TYPES = {"bidirectional_lm": "word_lm", "committee": "ensemble"}  # 0.1 -> today, in config.json
STATE_KEYS = {"health": "divergence"}  # 0.1 -> today, in training_state.json
RENAMED_OPTIONS = {"votes": "ngram_buckets"}  # 0.1 -> today

_TENSORS = (
    (re.compile(r"(^|\.)votes\.ratio$"), r"\1ngrams.log_count_ratio"),
    (re.compile(r"(^|\.)votes\."), r"\1ngrams."),
)

Value = TypeVar("Value")


def current_names(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Tensors by the names of today."""
    renamed = {}
    for name, tensor in tensors.items():
        for pattern, replacement in _TENSORS:
            name = pattern.sub(replacement, name)
        renamed[name] = tensor
    return renamed


# The key of the fingerprint of checkpoints of 0.1 and of an early 0.2, which is of a part of the training data.
EARLIER_DATA = "earlier"
