"""Training on perturbed word embeddings: adversarial, and virtual adversarial."""

# N tokens, U unique tokens, B documents, D embedding, K classes

import numpy as np

from rnnnlp.batches.documents import DocumentBatch
from rnnnlp.layers.loss import kl_divergence, softmax
from rnnnlp.tasks.sentiment.network import BatchGradients, SentimentNetwork
from rnnnlp.threads import holds_blas

norm_of = holds_blas(np.linalg.norm)
PROBE = 0.1  # of the norm of a perturbation: how far its direction is sought ("xi")


def adversarial_gradients(
    network: SentimentNetwork,
    batch: DocumentBatch,
    size: float,
    *,
    rng: np.random.Generator | None = None,
    bptt: int | None = None,
    label_smoothing: float = 0.0,
    sample_weights: np.ndarray | None = None,
    batch_count: int | None = None,
) -> BatchGradients:
    """Adds the gradient of the mean loss of a batch, and that of its mean loss under an adversarial perturbation.

    The embeddings of all tokens of the batch together are perturbed by the fraction `size` of their norm in the
    direction in which the loss grows fastest (Goodfellow et al. 2015; Miyato, Dai and Goodfellow 2017, there for each
    text). The perturbation counts as a constant. With `size` 0 there is none.

    Returns:
        The loss without perturbation, as `SentimentNetwork.gradients`.
    """

    def gradients() -> BatchGradients:
        return network.gradients(
            batch,
            rng=rng,
            bptt=bptt,
            label_smoothing=label_smoothing,
            sample_weights=sample_weights,
            batch_count=batch_count,
        )

    unperturbed = gradients()
    norm = float(norm_of(unperturbed.dx))
    if size and norm > 0:
        length = size * float(norm_of(network.embedding.weight.value[unperturbed.rows]))
        with network.embedding.perturbed(unperturbed.rows, unperturbed.dx * (length / norm)):
            gradients()
    return unperturbed


def vat_gradients(
    network: SentimentNetwork,
    batch: DocumentBatch,
    size: float,
    *,
    rng: np.random.Generator,
    bptt: int | None = None,
    batch_count: int | None = None,
) -> float:
    """The virtual adversarial loss of a batch, and its gradients (Miyato et al. 2016).

    The loss is the mean Kullback-Leibler divergence of the probabilities under a perturbation from those without one.
    The embeddings of all tokens of the batch together are perturbed by the fraction `size` of their norm in the
    direction in which the divergence grows fastest. Labels are not used. The perturbation and the probabilities without
    it count as constants. Gradients that were there before are lost. The mean is over the documents of the batch, or
    over the `batch_count` documents of a whole batch that has these in it.
    """
    B = batch_count or len(batch.labels)
    logits, _ = network.forward(batch.ids, batch.batch_sizes, keep_tape=False)
    p = softmax(logits)  # (B, K)
    x, _, rows = network.embedding.unique(batch.ids)  # (U, D)
    length = size * float(norm_of(x))
    direction = rng.standard_normal(x.shape)
    with network.embedding.perturbed(rows, direction * (PROBE * length / norm_of(direction))):
        logits, tape = network.forward(batch.ids, batch.batch_sizes, bptt=bptt)
    # Without a perturbation the divergence is at its minimum and has no gradient; a small one shows the direction.
    dx = network.input_gradient(kl_divergence(logits, p)[2], tape)  # (U, D)
    network.zero_grad()
    norm = float(norm_of(dx))
    if norm == 0:
        return 0.0
    with network.embedding.perturbed(rows, dx * (length / norm)):
        logits, tape = network.forward(batch.ids, batch.batch_sizes, rng=rng, bptt=bptt)
    change, _, dlogits = kl_divergence(logits, p)
    network.backward(dlogits / B, tape)
    return change / B
