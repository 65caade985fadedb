"""Recurrent networks on text, trained by hand-derived truncated backpropagation through time.

from rnnnlp import CharLM, SentimentClassifier
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rnnnlp.forks import make_exit_safe, make_forks_safe
from rnnnlp.version import __version__

if TYPE_CHECKING:
    from rnnnlp.errors import UserError
    from rnnnlp.tasks.char_lm.estimator import CharLM
    from rnnnlp.tasks.sentiment.ensemble import Ensemble
    from rnnnlp.tasks.sentiment.estimator import SentimentClassifier
    from rnnnlp.tasks.word_lm.estimator import WordLM
    from rnnnlp.training.estimator import NotFittedError
    from rnnnlp.training.reporting import Callback, StopTraining

__all__ = [
    "Callback",
    "CharLM",
    "Ensemble",
    "NotFittedError",
    "SentimentClassifier",
    "StopTraining",
    "UserError",
    "WordLM",
    "__version__",
]

_MODULES = {
    "Callback": "rnnnlp.training.reporting",
    "CharLM": "rnnnlp.tasks.char_lm.estimator",
    "Ensemble": "rnnnlp.tasks.sentiment.ensemble",
    "NotFittedError": "rnnnlp.training.estimator",
    "SentimentClassifier": "rnnnlp.tasks.sentiment.estimator",
    "StopTraining": "rnnnlp.training.reporting",
    "UserError": "rnnnlp.errors",
    "WordLM": "rnnnlp.tasks.word_lm.estimator",
}

make_forks_safe()
make_exit_safe()


def __getattr__(name: str) -> Any:
    # Loaded when first used: `import rnnnlp` alone costs nothing.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'rnnnlp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
