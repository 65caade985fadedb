"""The figures of a character language model on a split, and how they are shown."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rnnnlp.display import visible
from rnnnlp.errors import UserError, option
from rnnnlp.tasks.char_lm.config import CharLMTraining
from rnnnlp.tasks.char_lm.dynamic import Learning, dynamic_loss
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.language_modelling import corpus_of, language_model_loss
from rnnnlp.text import Tokenizer, encode_corpus, load_corpus
from rnnnlp.training.metrics import added_up, language_model_metrics
from rnnnlp.training.progress import no_bar
from rnnnlp.training.task import Evaluation

log = logging.getLogger(__name__)


def evaluate(
    network: CharLMNetwork, folder: Path, data: str, split: str, training: Mapping[str, Any], asked: Evaluation
) -> dict[str, Any]:
    """The figures of a model on a split of a text.

    Args:
        network: The model.
        folder: Where it is from: a run folder or a checkpoint.
        data: The text.
        split: The split to read.
        training: How the model was trained; the text is read in the same way.
        asked: With `dynamic`, the model learns from the text that it has just predicted.

    Returns:
        Nats and bits per character, perplexity per token, the number of predicted tokens, and what `merged` adds up.
    """
    from tqdm import tqdm

    if asked.dynamic_lr is not None and not asked.dynamic:
        raise UserError(f"{option('dynamic_lr')} is {asked.dynamic_lr} without {option('dynamic')}; give both")
    warn_of_words(network.tokenizer)
    corpus = load_corpus(
        data,
        asked.reading(training).for_tokenizer(network.tokenizer.kind),
        document_separator=training.get("document_separator"),
    )
    encoded = encode_corpus(corpus, network.tokenizer, splits=(split,), hold_out=asked.hold_out, keep=False)
    ids = encoded.ids[split]
    with tqdm(total=len(ids) - 1, unit=" tokens", unit_scale=True, desc=visible(split), disable=no_bar()) as bar:
        if asked.dynamic:
            trained_on = corpus_of(CharLMTraining.from_mapping(training, str(folder)))
            train_ids = encode_corpus(trained_on, network.tokenizer, splits=("train",)).ids["train"]
            learning = Learning(lr=asked.dynamic_lr)
            loss_sum, tokens = dynamic_loss(network, ids, train_ids, learning, on_progress=bar.update)
        else:
            loss_sum, tokens = language_model_loss(network, ids, on_progress=bar.update)
    return figures_of(loss_sum, tokens, encoded.characters[split]) | ({"dynamic": True} if asked.dynamic else {})


def warn_of_words(tokenizer: Tokenizer) -> None:
    """Warns of a tokenizer that does not keep the whole text: the model need not predict what is missing."""
    if tokenizer.kind == "word":
        log.warning(
            "a tokenizer of words leaves out white space and the letters of unknown words: "
            "do not compare figures per character with those of other tokenizers"
        )


def figures_of(loss_sum: float, tokens: int, characters: int) -> dict[str, Any]:
    """The figures of a text, and what `merged` adds up.

    Args:
        loss_sum: Nats summed over all tokens but the first.
        tokens: The number of those tokens.
        characters: The length of the text.
    """
    # The first token is given, not predicted; in characters it counts as one token's share.
    sums: dict[str, Any] = {"loss_sum": loss_sum, "tokens": tokens, "characters": characters * tokens / (tokens + 1)}
    return language_model_metrics(**sums) | {"sums": sums}


def merged(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of several texts together."""
    return language_model_metrics(**added_up(figures["sums"] for figures in results))


def report(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The figures for a person, a line for each data set."""
    return [
        f"{figures['data']}, {figures['split']}{', dynamic evaluation' if 'dynamic' in figures else ''}: "
        f"{figures['nats_per_char']:.4f} nats per character, {figures['bits_per_char']:.4f} bits per character, "
        f"perplexity {figures['perplexity']:.3f} over {figures['tokens']:,} tokens"
        for figures in results
    ]
