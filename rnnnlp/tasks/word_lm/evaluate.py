"""The figures of word language models on a split, and how they are shown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnnlp.display import visible
from rnnnlp.tasks.language_modelling import language_model_loss
from rnnnlp.tasks.word_lm.network import WordLMNetwork, both_directions
from rnnnlp.text import encode_corpus, load_corpus
from rnnnlp.training.metrics import added_up
from rnnnlp.training.progress import no_bar
from rnnnlp.training.task import Evaluation


def word_lm_metrics(
    network: WordLMNetwork,
    ids: np.ndarray,
    *,
    streams: int = 1,
    shards: int = 1,
    on_progress: Callable[[int], Any] = lambda tokens: None,
) -> dict[str, Any]:
    """The perplexity of each direction on a text.

    Args:
        network: Both directions.
        ids: The text, `(length,)`.
        streams: As for `language_model_loss`.
        shards: As for `language_model_loss`.
        on_progress: As for `language_model_loss`.

    Returns:
        "loss" in nats a token and "perplexity", both of the mean over the directions; the perplexity of each direction;
        the number of tokens.
    """
    return metrics_of_sums(sums_of_losses(network, ids, streams=streams, shards=shards, on_progress=on_progress))


def sums_of_losses(network: WordLMNetwork, ids: np.ndarray, **options: Any) -> dict[str, Any]:
    """The loss of each direction, summed over a text, and the number of tokens; options of `language_model_loss`."""
    sums: dict[str, Any] = {}
    for name, text in zip(network.directions, both_directions(ids), strict=True):
        sums[name], sums["tokens"] = language_model_loss(network.directions[name], text, **options)
    return sums


def metrics_of_sums(sums: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of one text or several, from sums of losses."""
    tokens = sums["tokens"]
    losses = {f"perplexity_{name}": loss_sum / tokens for name, loss_sum in sums.items() if name != "tokens"}
    loss = sum(losses.values()) / len(losses)
    perplexities = {name: float(np.exp(x)) for name, x in {"perplexity": loss, **losses}.items()}
    return {"loss": loss, **perplexities, "tokens": tokens}


def merged(results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures of several texts together."""
    return metrics_of_sums(added_up(figures["sums"] for figures in results))


def evaluate(
    network: WordLMNetwork, folder: Path, data: str, split: str, training: Mapping[str, Any], asked: Evaluation
) -> dict[str, Any]:
    """The figures of both models on a split of a text: see `word_lm_metrics`; and what `merged` adds up."""
    from tqdm import tqdm

    corpus = load_corpus(
        data,
        asked.reading(training).for_tokenizer(network.tokenizer.kind),
        document_separator=training.get("document_separator"),
        unlabelled=True,
    )
    encoded = encode_corpus(corpus, network.tokenizer, splits=(split,), hold_out=asked.hold_out, keep=False)
    ids = encoded.ids[split]
    with tqdm(total=2 * (len(ids) - 1), unit=" tokens", unit_scale=True, desc=visible(split), disable=no_bar()) as bar:
        sums = sums_of_losses(network, ids, on_progress=bar.update)
    return metrics_of_sums(sums) | {"sums": sums}


def report(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The figures for a person, a line for each data set."""
    return [
        f"{figures['data']}, {figures['split']}: perplexity {figures['perplexity_forward']:.3f} read forward, "
        f"{figures['perplexity_reverse']:.3f} read backward, over {figures['tokens']:,} tokens"
        for figures in results
    ]
