"""rnnnlp train charlm | sentiment."""

import argparse
import shlex
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from rnnnlp.cli.options import add_config_options, read_toml
from rnnnlp.errors import UserError
from rnnnlp.models.config import CharLMConfig, Config, SentimentConfig, as_given, option
from rnnnlp.models.storage import CannotWrite
from rnnnlp.training.config import (
    CHOSEN,
    CHOSEN_FOR_CLASSIFIERS,
    FROM_DATA,
    CharLMTraining,
    SentimentTraining,
    TrainingConfig,
    char_lm_options,
    sentiment_options,
)

HELP = {
    "data": "what to train on: a file, a folder, a Hub name, or a built-in set (see README)",
    "text_column": "the column with the texts, if its name is not a usual one",
    "label_column": "the column with the labels, if its name is not a usual one",
    "preset": "size, learning rate, streams: tiny, small, base, large, huge (128, 256, 512, 768, 1024 units), or auto, "
    "the largest that the time is enough for",
    "from_": "start from this run of `pretrain` or `train charlm`: with its tokenizer, sizes, embedding and recurrent "
    "layers, and a dropout of 0.2 if no other is given",
    "pretraining": "first learn the language of all texts, also those without a label, reading them so many times; "
    "0 does not",
    "lr_decay": "the learning rate of each layer next to that of the layer above it; with 0 only the head learns, with "
    "pooling and votes",
    "seed": "of every random draw: the same seed, data and options give the same model",
    "tokenizer": "char, byte, word or bpe",
    "vocab_size": "at most so many tokens, for word and bpe",
    "min_frequency": "tokens seen less often are unknown, for word and bpe",
    "batch_size": "sequences side by side: documents, or streams of a corpus",
    "bptt": "steps through which the gradient goes back",
    "optimizer": "adamw, adam, rmsprop or sgd",
    "lr": "the highest learning rate",
    "momentum": "of sgd",
    "weight_decay": "pulls weights, but not biases, towards zero",
    "schedule": "of the learning rate: cosine, constant or step",
    "warmup": "the share of the run in which the learning rate rises",
    "max_norm": "the gradient's norm is clipped to this; 0 does not clip",
    "label_smoothing": "the share of each target that is spread over all classes",
    "averaging": "decay of the averaged weights that are evaluated and kept; 0 keeps the last ones",
    "class_weights": "balanced lets a rare class count as much as a frequent one; none counts each text once",
    "crop": "of a longer text training reads another stretch of so many tokens each time; evaluation reads "
    "up to --max-length",
    "adversarial": "learn each batch a second time, the vectors of its words moved by this share of their length to "
    "where the loss grows fastest (takes twice the time); 0 does not",
    "virtual_adversarial": "learn to judge texts, also those without a label, as before when the vectors of their "
    "words are moved by this share of their length to where that changes fastest (takes four times the time); 0: not",
    "epochs": "train for so many passes over the data",
    "steps": "train for so many updates",
    "budget": "train for so much time, such as 90s, 10m or 1h30m (default: 10m)",
    "max_epochs": "with --budget: stop after so many passes over the data, however much time is left",
    "evaluations": "so often, evenly over the run, the model is measured on validation",
    "patience": "stop after so many evaluations without a better one; 0 never",
    "checkpoint_every": "save a checkpoint each so many steps (always: at each evaluation and every 5 minutes)",
    "keep_checkpoints": "so many checkpoints are kept; older ones are removed",
    "on_divergence": "when the loss is no number any more, or has been high for 50 steps in a row (above its running "
    "mean by 6 deviations, by half, and by half of what was learned): stop, or rollback to the last checkpoint at half "
    "the learning rate",
    "samples": "so many words are drawn as candidates for each window, besides those that are in it",
    "validation_tokens": "the evaluations of a run read at most so many tokens",
    "document_separator": r"what stands between two files or rows, such as '\n\n' or '<end>' (default: \n)",
    "shuffle_blocks": "each epoch reads blocks of so many tokens in another order; 0 reads the text as it stands",
    "backend": "auto or numpy",
    "threads": "processor threads to use",
    "cell": "lstm, gru, gru_reset_first (as in char-rnn), elman_tanh or elman_relu",
    "embedding_size": "numbers that stand for a token",
    "hidden_size": "units of a recurrent layer, in each direction",
    "num_layers": "recurrent layers",
    "dropout": "the share of features that are dropped in training",
    "weight_drop": "the share of recurrent weights that are dropped in training, others for each window",
    "variational": "drop the same features at every step of a sequence",
    "tied_weights": "use the embedding as the output's weights too",
    "bidirectional": "read in both directions",
    "pooling": "from all steps to one vector: last, mean, max, mean+max or attention",
    "votes": "beside the recurrent layers let runs of one to three words vote, from a table of so many rows; "
    "0 does not",
    "max_length": "of longer documents the beginning and the end are read, so many tokens in all",
}


class Kind(NamedTuple):
    """A kind of run: the command that begins one, what it trains, and the command that uses it."""

    command: str
    model_type: str
    about: str
    training: type[TrainingConfig]
    model: type[Config]
    configurations: Callable[..., tuple[Any, dict[str, Any]]]
    use: str
    chosen: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()


KINDS = {
    "charlm": Kind(
        "train charlm",
        "char_lm",
        "a character language model from any text",
        CharLMTraining,
        CharLMConfig,
        char_lm_options,
        'rnnnlp generate {run} --prompt "..."',
        chosen=CHOSEN,
    ),
    "sentiment": Kind(
        "train sentiment",
        "sentiment",
        "a classifier from labelled texts",
        SentimentTraining,
        SentimentConfig,
        sentiment_options,
        'rnnnlp predict {run} "..."',
        chosen=CHOSEN_FOR_CLASSIFIERS,
    ),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", metavar="charlm|sentiment", required=True)
    for name, kind in KINDS.items():
        add_run_options(
            kinds.add_parser(name, help=kind.about, description=f"Train {kind.about}.", allow_abbrev=False), kind
        )


def add_run_options(command: argparse.ArgumentParser, kind: Kind) -> None:
    """The options of a command that trains: those of the run, and all of its configurations."""
    begin = f"rnnnlp {kind.command}"
    command.usage = f"{begin} --data DATA [--out RUN] [options]\n       {begin} --resume RUN"
    command.add_argument("--out", metavar="RUN", help="the new folder of the run (default: runs/KIND)")
    command.add_argument("--overwrite", action="store_true", help="replace the run that is in --out")
    command.add_argument("--resume", metavar="RUN", help="go on with this run; no other option is needed")
    command.add_argument("--config", metavar="FILE", help="options from a TOML file; those given here come first")
    for title, config in (("training", kind.training), ("model", kind.model)):
        leave_out = (*kind.leave_out, *(FROM_DATA if config is kind.model else ()))
        add_config_options(command.add_argument_group(title), config, HELP, leave_out=leave_out, chosen=kind.chosen)


def run(options: argparse.Namespace) -> int:
    return begin_or_resume(options, KINDS[options.kind])


def begin_or_resume(options: argparse.Namespace, kind: Kind) -> int:
    """Trains as the options say; returns the exit code."""
    from rnnnlp.training import fit
    from rnnnlp.training.loop import Interrupted
    from rnnnlp.training.run_folder import RunFolder

    given = {name: value for name, value in vars(options).items() if name not in ("command", "kind", "run", "config")}
    out, again, overwrite = given.pop("out"), given.pop("resume"), given.pop("overwrite")
    try:
        if again is not None:
            if given or out or overwrite or options.config:
                extra = ", ".join(map(option, given)) or "other options"
                raise UserError(f"--resume goes on with the options of the run itself; leave out {extra}")
            out = again
            fit.resume(again, kind.model_type)
        else:
            values = (read_toml(options.config) if options.config else {}) | given
            out_of_file = as_given(str, values.pop("out", f"runs/{kind.command.split()[-1]}"), "out")
            out = out or out_of_file
            overwrite = as_given(bool, values.pop("overwrite", False), "overwrite") or overwrite
            fit.BEGIN[kind.model_type](*kind.configurations(values, "options"), out, overwrite=overwrite)
    except CannotWrite as error:
        checkpoints = RunFolder(out).checkpoints() if out else []
        raise UserError(
            f"{error}, then go on with: {command_to_resume(kind, out)}" if checkpoints else str(error)
        ) from None
    except Interrupted as stop:
        print(f"rnnnlp: {stop}; go on with: {command_to_resume(kind, out)}", file=sys.stderr)
        return stop.exit_code
    print(f"{out}: done; use it with: {kind.use.format(run=out)}", file=sys.stderr)
    return 0


def command_to_resume(kind: Kind, out: str) -> str:
    return shlex.join(["rnnnlp", *kind.command.split(), "--resume", str(out)])
