"""Recurrent networks on text, trained by hand-derived truncated backpropagation through time.

from rnnnlp import CharLM, SentimentClassifier
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnnlp.models.bidirectional_lm import BidirectionalLM
    from rnnnlp.models.char_lm import CharLM
    from rnnnlp.models.committee import Committee
    from rnnnlp.models.sentiment import SentimentClassifier

__version__ = "0.1.0"
__all__ = ["BidirectionalLM", "CharLM", "Committee", "SentimentClassifier", "__version__"]

_HOMES = {
    "BidirectionalLM": "rnnnlp.models.bidirectional_lm",
    "CharLM": "rnnnlp.models.char_lm",
    "Committee": "rnnnlp.models.committee",
    "SentimentClassifier": "rnnnlp.models.sentiment",
}


def __getattr__(name: str) -> Any:
    # Loaded when first used: `import rnnnlp` alone costs nothing.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'rnnnlp' has no attribute {name!r}")
