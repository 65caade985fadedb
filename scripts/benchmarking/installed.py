"""What a benchmark uses of the installed rnnnlp, which may be version 0.1 with its other names."""

try:
    from rnnnlp.tasks.char_lm.config import CharLMConfig
    from rnnnlp.tasks.char_lm.generate import Sampling, generate
    from rnnnlp.tasks.char_lm.network import CharLMNetwork
    from rnnnlp.tasks.sentiment.config import SentimentConfig
    from rnnnlp.tasks.sentiment.network import SentimentNetwork
except ModuleNotFoundError:  # version 0.1
    from rnnnlp.generation import Sampling, generate
    from rnnnlp.models.char_lm import CharLM as CharLMNetwork
    from rnnnlp.models.config import CharLMConfig, SentimentConfig
    from rnnnlp.models.sentiment import SentimentClassifier as SentimentNetwork

    CharLMNetwork.decoder = CharLMNetwork.writer

__all__ = ["CharLMConfig", "CharLMNetwork", "Sampling", "SentimentConfig", "SentimentNetwork", "generate"]
