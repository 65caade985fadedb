"""Beginning and reopening a training run of a classifier."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnnlp.batches.seeding import RandomStream, rng_for
from rnnnlp.errors import UserError, option
from rnnnlp.files import JSON_LIMIT
from rnnnlp.tasks.sentiment.bundled import is_bundled, model_folder
from rnnnlp.tasks.sentiment.config import FROM_PRETRAINED, SentimentConfig, SentimentOptions, SentimentTraining
from rnnnlp.tasks.sentiment.cross_validation import CrossValidation
from rnnnlp.tasks.sentiment.defaults import (
    FEWEST_FOR_NETWORK,
    may_pretrain,
    resolve,
    resolve_pretraining,
    with_start,
)
from rnnnlp.tasks.sentiment.evaluate import warn_of_seen
from rnnnlp.tasks.sentiment.folds import logits_of_folds
from rnnnlp.tasks.sentiment.linear_fitting import MOST_IN_FOLDS, Examples, LinearFit, fit_linear, stratified_folds
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tasks.sentiment.objective import BALANCED_ACCURACY, SentimentObjective, digests_of_data
from rnnnlp.tasks.sentiment.pretraining import prepare, pretrain
from rnnnlp.tasks.sentiment.transfer import (
    Pretrained,
    extended_tokenizer,
    knows_classes,
    load_pretrained,
    options_from_pretrained,
    set_lr_scales,
    start_from,
)
from rnnnlp.tasks.word_lm.objective import WordLMObjective
from rnnnlp.text import BPETokenizer, LabelledData, Tokenizer, is_unspaced, load_labelled
from rnnnlp.text.labelled import HELD_OUT_SEED, warn_of_copies
from rnnnlp.text.sources import TRAINING_SPLITS
from rnnnlp.training.distributed import processes
from rnnnlp.training.earlier import EARLIER_DATA
from rnnnlp.training.loop import Trainer
from rnnnlp.training.model_folder import CROSS_VALIDATION, training_of
from rnnnlp.training.resuming import LIMITS, changed_data
from rnnnlp.training.run_folder import RunFolder, read_state
from rnnnlp.training.signals import Interrupted
from rnnnlp.training.task import Options, require_open

LINEAR_FOLDS = 5
MOST_CHARACTERS = 4_000_000  # of all texts, for n-grams of characters: what memory allows
MOST_PRODUCTS = 10_000_000  # characters times columns of weights
PRODUCTS_PER_SECOND = 26_000  # of the budget
MOST_LABEL_BYTES = JSON_LIMIT // 8  # as JSON the labels are up to six times as long

log = logging.getLogger(__name__)


def begin(options: Options[SentimentOptions], run: RunFolder, *, data: LabelledData | None, started: float) -> Trainer:
    """The trainer of a new run on `data`, or on what the options name; pretraining is done when it is returned."""
    training, given = options.training, options.network
    data = data or processes().once_a_host(lambda: load_data(training))
    if not data.splits["validation"].texts:
        raise UserError(f"{data.source}: there is no text to validate on; give two or more of a class, or that split")
    require_short(data)
    loaded = data
    pretrained, config, network_config, tokenizer = processes().first(lambda: decide(training, given, loaded))
    if config.folds:
        data = data.whole()
    else:
        warn_of_copies(data)
    if data.held_out:
        warn_of_seen(config.to_mapping(), run.path)
    network = SentimentNetwork(network_config, tokenizer, rng=rng_for(config.seed, RandomStream.WEIGHTS))
    linear = fitted_linear(network, data, config)
    if linear is not None:
        network.add_linear(linear.model)
    objective = make_objective(network, data, config)
    if pretrained is not None:
        start_from(pretrained, network)
    if isinstance(pretrained, SentimentNetwork) and pretrained.linear is not None:
        weight = pretrained.stacking[1]
        log.warning("the linear model of %s, of stacking weight %.2f, is not taken over", config.from_, weight)
    first = prepare(network, data, config) if config.pretraining else None  # what can fail comes before the run begins
    trainer = Trainer.begin(objective, config, run, started=started)
    if first is not None:
        trainer = after_pretraining(trainer, first, started)
    if config.folds:
        texts, spent = data.splits["train"].texts, processes().now() - started
        trainer = after_cross_validation(trainer, texts, linear, spent=spent)
    return with_evaluated_start(trainer, pretrained)


def decide(
    training: SentimentOptions, given: Mapping[str, Any], data: LabelledData
) -> tuple[Pretrained | None, SentimentTraining, SentimentConfig, Tokenizer]:
    """The model to start from, and what the options leave open: some of it is measured."""
    training = with_start(training, given, data)
    pretrained = None if training.from_ is None else load_pretrained(training.from_)
    if pretrained is None:
        training, given, tokenizer = resolve_pretraining(training, given, data)
    else:
        training, given = options_from_pretrained(pretrained, training, given)
        tokenizer = extended_tokenizer(pretrained.tokenizer, data.splits["train"].texts, training)
        training = training.changed(vocab_size=tokenizer.vocab_size)
    return pretrained, *resolve(training, given, data, tokenizer), tokenizer


def require_short(data: LabelledData) -> None:
    """UserError if the labels are too long for `config.json`, as texts in place of labels are."""
    size = sum(len(name.encode()) for name in data.classes.names)
    if size > MOST_LABEL_BYTES:
        raise UserError(
            f"{data.source}: the labels have {size} bytes in all, and a model keeps at most {MOST_LABEL_BYTES}; "
            f"if they are texts, give the labels (of a table with {option('label_column')})"
        )


def reopen(
    network: SentimentNetwork, config: SentimentTraining, run: RunFolder, *, data: LabelledData | None
) -> Trainer:
    """The trainer of a run that is resumed from its newest checkpoint, pretraining first if that was not finished."""
    if config.folds:
        require_same_limits(config, run)
    objective, loaded = objective_of_run(network, config, run, data)
    cross_validation = None
    if config.folds:
        labels = loaded.splits["train"].labels
        cross_validation = processes().first(lambda: CrossValidation.load(run.path, labels, len(network.labels)))
        objective.cross_validation = cross_validation
    spent = cross_validation.seconds if cross_validation else processes().first(run.seconds_of_pretraining)
    trainer = Trainer(objective, config, run, spent=spent, patience=patience_of(cross_validation, config))
    objective.clock = trainer.clock
    trainer.resume()
    if cross_validation and not trainer.clock.step and trainer.state.spent < cross_validation.seconds:
        trainer.clock.resume(0, 0.0, 0.0)  # the checkpoint is from before the end of the cross-validation
        trainer.state.evaluations = 0
    if config.class_weights == "balanced" and BALANCED_ACCURACY not in trainer.state.best_metrics:
        trainer.state.best_score = None  # of an earlier version, in which the weights had no part in it
    if config.folds and cross_validation is None and trainer.clock.step:
        raise UserError(f"{run.path / CROSS_VALIDATION} is not there any more; restore it, or train again")
    if trainer.clock.step or trainer.state.evaluated_at == 0:
        return trainer
    return finish_preparation(trainer, loaded)


def objective_of_run(
    network: SentimentNetwork, config: SentimentTraining, run: RunFolder, given: LabelledData | None
) -> tuple[SentimentObjective, LabelledData]:
    """The objective of a run that is resumed, and its data: those that are given, or those that the run names.

    Raises:
        UserError: If the labels that are given are of other classes than those of the run.
    """
    data = given or processes().once_a_host(lambda: load_data(config))
    data = data.whole() if config.folds else data
    if given is not None and given.classes.names != network.labels:
        raise UserError(
            f"the given labels are of the classes {', '.join(given.classes.names)}, and those of {run.path} are "
            f"{', '.join(network.labels)}; give the labels that trained it"
        )
    objective = make_objective(network, data, config)
    state = processes().first(lambda: read_state(run.latest_checkpoint()))
    if given is None and EARLIER_DATA in state.data and changed_data(objective, state):
        # The first runs of 0.1 held out other texts for each seed.
        objective = make_objective(network, load_data(config, held_out_seed=config.seed), config)
    return objective, data


def finish_preparation(trainer: Trainer, data: LabelledData) -> Trainer:
    """The trainer of a resumed run that has not begun, once all is done that comes before its first step."""
    objective: Any = trainer.objective
    network: SentimentNetwork = objective.network
    config: SentimentTraining = objective.config
    if objective.cross_validation is None:
        if config.pretraining:
            trainer = after_pretraining(trainer, prepare(network, data, config), processes().now())
        if config.folds:
            linear = fitted_linear(network, data, config)
            spent = trainer.spent + trainer.clock.seconds  # an earlier session may have had a part of the budget
            trainer = after_cross_validation(trainer, data.splits["train"].texts, linear, spent=spent)
    start = None
    if (place := config.from_) is not None and is_bundled(place):  # another one need not be there any more
        start = processes().first(lambda: load_pretrained(place))
    return with_evaluated_start(trainer, start)


def require_same_limits(config: SentimentTraining, run: RunFolder) -> None:
    """UserError if the limits are not those that the cross-validation of the run was made for."""
    before = processes().first(lambda: training_of(run.path))
    if any(before.get(name) != getattr(config, name) for name in (*LIMITS, "max_epochs")):
        raise UserError(
            f"{run.path} has {option('folds')} {config.folds}, and a cross-validation says nothing of another limit "
            f"than its own; leave the limits as they are, or begin a new run"
        )


def with_evaluated_start(trainer: Trainer, start: Pretrained | None) -> Trainer:
    """The trainer, once a bundled classifier of the same classes that it starts from is evaluated.

    So training cannot make it worse. A run of the user's may have been trained on these texts.
    """
    objective: Any = trainer.objective
    if is_bundled(objective.config.from_) and knows_classes(start, objective.network.labels):
        trainer.evaluate_start()
    return trainer


def after_pretraining(trainer: Trainer, first: WordLMObjective, started: float) -> Trainer:
    """The trainer of a classifier that has not begun, once its language models are there and it starts from them."""
    objective: Any = trainer.objective
    before = trainer.clock.seconds if trainer.state.spent else 0.0  # of folds that were stopped, after pretraining
    spent = pretrain(objective.network, first, objective.config, trainer.run, started=started)
    trainer = Trainer(objective, objective.config, trainer.run, spent=spent)
    trainer.clock.resume(0, before, 0.0)
    trainer.save_checkpoint()
    return trainer


def fitted_linear(network: SentimentNetwork, data: LabelledData, config: SentimentTraining) -> LinearFit | None:
    """The linear model of the training texts, if `linear` is set."""
    if not config.linear:
        return None
    split = data.splits["train"]
    balanced = config.class_weights == "balanced"
    documents, K = network.encode(split.texts), len(network.labels)
    examples = Examples(split.texts, documents, split.labels, split.weights, K, balanced)
    views = views_for(examples, network.tokenizer, config.budget)
    most = None if config.folds else MOST_IN_FOLDS
    folds = fold_of_each_text(split.texts, documents, split.labels, config, most)
    return processes().first(lambda: fit_linear(views, examples, folds))


def views_for(examples: Examples, tokenizer: Tokenizer, budget: float | None) -> tuple[str, ...]:
    """What linear models see: tokens, and characters unless these are too many.

    Subwords of a script without spaces are worse features than its characters: the same words become different subwords
    in different texts.

    Args:
        examples: The texts.
        tokenizer: The tokenizer of the network.
        budget: Time for the whole training, in seconds, if it is limited.
    """
    characters = sum(map(len, examples.texts))
    products = characters * len(examples.columns)
    most = MOST_PRODUCTS if budget is None else min(MOST_PRODUCTS, PRODUCTS_PER_SECOND * budget)
    if characters > MOST_CHARACTERS or products > most:
        return ("words", "ratios")
    if isinstance(tokenizer, BPETokenizer) and is_unspaced(examples.texts):
        return ("characters", "character_ratios")
    return ("words", "ratios", "characters")


def fold_of_each_text(
    texts: Sequence[str],
    documents: Sequence[np.ndarray],
    labels: np.ndarray,
    config: SentimentTraining,
    most: int | None = None,
) -> np.ndarray:
    """The fold of each training text, `(n,)`, the same for the network and the linear model.

    Copies of a text are in one fold, so that none is left out while another trains. They have the same ids, and differ
    at most in case and white space. Different texts may have the same ids, too: those of unknown words.

    Args:
        texts: The texts.
        documents: The ids of each text.
        labels: The class of each text, `(n,)`.
        config: How to train.
        most: At most about this number of texts are in a fold at all; -1 stands for the others.
    """
    rng = rng_for(config.seed, RandomStream.FOLDS)
    folds = stratified_folds(labels, config.folds or LINEAR_FOLDS, rng=rng, most=most)
    first: dict[int, int] = {}  # by a hash, which needs less memory than the text
    keys = (hash((ids.tobytes(), "".join(text.lower().split()))) for text, ids in zip(texts, documents, strict=True))
    together = folds[[first.setdefault(key, i) for i, key in enumerate(keys)]]
    return together if len(np.unique(together[together >= 0])) > 1 else folds


def after_cross_validation(
    trainer: Trainer, texts: Sequence[str], linear: LinearFit | None, *, spent: float
) -> Trainer:
    """The trainer of a classifier that has not begun, once its cross-validation is done; `spent` seconds are gone."""
    objective: Any = trainer.objective
    config: SentimentTraining = objective.config
    started = processes().now()
    labels = objective.batches.labels
    left = None if config.budget is None else (config.budget - spent) * config.folds / (config.folds + 1)
    log.info("cross-validation with %d folds of the %d texts", config.folds, len(labels))
    linear_logits = None if linear is None else linear.out_of_fold_logits
    from_nothing = config.from_ is None and not config.pretraining
    if linear_logits is not None and from_nothing and len(labels) < FEWEST_FOR_NETWORK:
        log.info("%d texts are too few for a network trained from scratch: the linear model decides alone", len(labels))
        network_logits = np.zeros((1 + config.evaluations, *linear_logits.shape), np.float32)
    else:
        try:
            folds = fold_of_each_text(texts, objective.batches.documents, labels, config)
            network_logits = logits_of_folds(
                objective, folds, linear_logits, seconds=left, after_fold=trainer.save_checkpoint
            )
        except Interrupted:
            trainer.save_checkpoint()  # with the time that is gone
            raise
    spent += processes().now() - started
    cross_validation = CrossValidation(network_logits, linear_logits, labels, spent)
    processes().first(lambda: cross_validation.save(trainer.run.path))
    objective.cross_validation = cross_validation
    trainer = Trainer(objective, config, trainer.run, spent=spent, patience=patience_of(cross_validation, config))
    objective.clock = trainer.clock
    trainer.save_checkpoint()
    return trainer


def patience_of(cross_validation: CrossValidation | None, config: SentimentTraining) -> int:
    """The patience: a network that is not used need not be trained to the end."""
    linear_alone = cross_validation is not None and not cross_validation.network_logits.any()
    return 1 if linear_alone else config.patience


def make_objective(network: SentimentNetwork, data: LabelledData, config: SentimentTraining) -> SentimentObjective:
    """What the training loop drives, on the encoded texts; the n-gram features are fitted to them."""
    splits = [
        (network.encode(split.texts), split.labels) for split in (data.splits["train"], data.splits["validation"])
    ]
    tokens = sum(len(ids) for ids in splits[0][0])
    log.info(
        "%s: %d texts (%d tokens) to train on, %d to validate on",
        data.source,
        len(splits[0][0]),
        tokens,
        len(splits[1][0]),
    )
    set_lr_scales(network, config.lr_decay)
    network.fit_ngrams(*splits[0])
    unlabelled = []
    if config.virtual_adversarial:
        unlabelled = network.encode(data.unlabelled)
        log.info("%s: %d texts without labels for virtual adversarial training", data.source, len(unlabelled))
    digests = digests_of_data(data, unlabelled=bool(config.virtual_adversarial or config.pretraining))
    weights, validation = data.splits["train"].weights, data.splits["validation"].texts
    linear_logits = None if network.linear is None else network.linear.logits(validation, splits[1][0])
    return SentimentObjective(network, splits[0], splits[1], config, digests, unlabelled, weights, linear_logits)


def load_data(options: SentimentOptions, *, held_out_seed: int = HELD_OUT_SEED) -> LabelledData:
    return load_labelled(
        options.data,
        options.reading,
        rng_seed=held_out_seed,
        splits=TRAINING_SPLITS,
        unlabelled=options.virtual_adversarial > 0 or may_pretrain(options),
    )


def check(options: Options[SentimentOptions]) -> None:
    """Refuses what a pretrained model decides."""
    if options.training.has_start:
        require_open(options, FROM_PRETRAINED, model_folder(options.training.from_ or ""))
