"""rnnnlp curve."""

import argparse
import sys

from rnnnlp.analysis.learning_curve import ALL, SIZES
from rnnnlp.cli.options import add_config_options, read_toml
from rnnnlp.cli.output import refuse_input, require_writable, show, show_text
from rnnnlp.cli.train import tasks_by_command
from rnnnlp.errors import UserError, option

MOST_SEEDS = 1000
TRAINED = "sentiment"  # the learning curve is of classifiers


def add_options(parser: argparse.ArgumentParser) -> None:
    task = tasks_by_command()[TRAINED]
    parser.usage = "rnnnlp curve --data DATA [--sizes N,N,...] [--seeds N] [options]"
    parser.description = (
        "Train classifiers on growing parts of the training texts, and print accuracy against the number of labels, "
        f"beside linear baselines on the same texts. All options of 'rnnnlp {task.command}' that configure a training "
        "are allowed; --budget and the like are for each training."
    )
    parser.add_argument(
        "--sizes",
        default=SIZES,
        metavar="N,...",
        help=f"numbers of labelled texts to train on; {ALL} is all of them (default: {SIZES})",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=3,
        metavar="N",
        help="number of runs of each size, each with another seed and another subset of the texts (default: 3)",
    )
    parser.add_argument(
        "--split",
        choices=("validation", "test"),
        default="validation",
        help="split to measure on (default: validation, or 20 %% of train held out if there is none)",
    )
    parser.add_argument(
        "--baseline",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also fit TF-IDF with logistic regression, and NB-SVM (default: yes)",
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="keep each finished training in this file, as a line of JSON; the same command continues from it. - for "
        "standard output in place of the table",
    )
    parser.add_argument("--out", metavar="FILE", help="draw the curve into this file: .png, .svg or .pdf")
    parser.add_argument("--config", metavar="FILE", help="read options from a TOML file; options given here win")
    add_config_options(parser.add_argument_group("training"), task.options, leave_out=task.leave_out)
    network = task.network.config_type
    add_config_options(parser.add_argument_group("network"), network, leave_out=network.from_data)


def run(options: argparse.Namespace) -> int:
    from rnnnlp.analysis import plots
    from rnnnlp.analysis.learning_curve import CurveData, Kept, learning_curve, outlook, table, usable_sizes

    task = tasks_by_command()[TRAINED]
    of_command = ("command", "run", "sizes", "seeds", "split", "baseline", "json", "out", "config", "quiet")
    given = {name: value for name, value in vars(options).items() if name not in of_command}
    values = (read_toml(options.config) if options.config else {}) | given
    parsed = task.options_from(values)
    training = parsed.training
    if not 1 <= options.seeds <= MOST_SEEDS:
        raise UserError(f"{option('seeds')} is {options.seeds}; it must be from 1 to {MOST_SEEDS}")
    if "tensorboard" in (training.report_to or ""):
        raise UserError(
            f"{option('report_to')} is tensorboard, whose files are in the run folder, and a curve keeps no run; give "
            "another tracker"
        )
    if options.out:
        plots.check_output(options.out)
        require_writable("out", options.out)
    for name in ("json", "out"):
        if name == "out" or options.json != "-":
            refuse_input(name, getattr(options, name), data=[training.data])
    data = CurveData.load(training.data, training.reading, options.split)
    sizes = usable_sizes(options.sizes, data.train.labels)
    not_of_curve = ("data", "seed", "backend", "threads")
    all_values = training.to_mapping() | dict(parsed.network)  # however each was given, as in a file
    of_curve = {name: all_values.get(name, value) for name, value in values.items() if name not in not_of_curve}
    kept = Kept(
        None if options.json == "-" else options.json,
        {"data": data.digest, "split": options.split, "options": of_curve},
    )
    try:
        points = learning_curve(task, values, data, sizes, seeds=options.seeds, baselines=options.baseline, kept=kept)
    except KeyboardInterrupt as stop:
        seeds = range(training.seed, training.seed + options.seeds)
        points = [kept.points[key] for key in sorted(kept.points) if key[0] in sizes and key[1] in seeds]
        where = f"; they are in {options.json}, and the same command continues" if kept.path else ""
        show(f"rnnnlp: stopped; finished trainings: {len(points)}{where}", to=sys.stderr)
        code = getattr(stop, "exit_code", 130)
    else:
        code = 0
    if options.json == "-":
        for point in points:
            show_text(kept.line(point) + "\n")
    elif points:
        for line in table(points):
            show(line)
        show()
        show(f"Measured on {data.where}. {outlook(points, len(data.measured))}")
    if options.out and points:
        plots.save(plots.draw_learning_curve(points, where=data.where), options.out)
    return code
