"""What is damaged: runs, models, ensembles, cache entries, options and data, each with the commands that open it."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from fuzzing.cases import Ended, in_child
from fuzzing.damages import rows_for
from rnnnlp.cli.main import fail, main
from rnnnlp.cli.options import read_toml
from rnnnlp.errors import UserError
from rnnnlp.tasks import TASKS, load_task
from rnnnlp.training.model_folder import WEIGHTS

TEXT = "All happy families are alike; each unhappy family is unhappy in its own way.\n" * 12
REVIEWS = "text,label\n" + "".join(
    f"it is {w} number {i},{n}\n" for i in range(20) for w, n in (("bad", "bad"), ("good", "good"))
)
SIZES = "--hidden-size 6 --embedding-size 5 --batch-size 4"
RUN = f"{SIZES} --steps 6 --evaluations 2 --checkpoint-every 3 --keep-checkpoints 3"
SHORT = f"{SIZES} --steps 2 --evaluations 1"
MEMBER = f"{SIZES} --steps 100 --evaluations 2 --lr 0.1"
FORMATS = ("text.txt", "texts.csv", "texts.tsv", "texts.jsonl", "texts.parquet")

Action = Callable[[], int]  # gives the exit code
Command = Callable[[Path, Path, Path], Action]  # from the folder, that of common data, and what is damaged


class Subject(NamedTuple):
    """Something that is damaged.

    Attributes:
        build: Fills a folder. It gets that folder, the one of common data, and a seed.
        commands: Commands by name.
        top: The name of the folder or file within the folder that may be damaged, with all that is in it.
        read_by: Which of the commands read the files whose path contains one of these strings; else all do.
        result: Files of the folder that must be as if undamaged after a command.
        forged: Whether another result is right after any damage, since there is no checksum.
        mended: Whether a command must give the right answer after every damage of a file.
    """

    build: Callable[[Path, Path, int], None]
    commands: Mapping[str, Command]
    top: str = "run"
    read_by: Mapping[str, tuple[str, ...]] = {}
    result: tuple[str, ...] = (f"run/{WEIGHTS}",)
    forged: bool = False
    mended: bool = False


def words(line: str) -> Command:
    """The words after `rnnnlp`; {case} is the folder, {home} that of common data, and {damaged} what is damaged."""

    def command(case: Path, home: Path, damaged: Path) -> Action:
        given = [word.format(case=case, home=home, damaged=damaged) for word in line.split()]
        return lambda: main(given)

    return command


def from_python(use: Callable[[Path, Path], object]) -> Command:
    """Python code that prints its result; a UserError is told as the command line does."""

    def command(case: Path, home: Path, damaged: Path) -> Action:
        def action() -> int:
            try:
                print(use(case, home))
            except UserError as error:
                return fail(str(error))
            return 0

        return action

    return command


def both(first: Command, second: Command) -> Command:
    """One command after the other; the second only if the first is done."""
    return lambda *given: lambda: first(*given)() or second(*given)()


def must(ended: Ended) -> None:
    if ended.code != 0:
        raise RuntimeError(f"what is to be damaged cannot be made: {ended.error}")


def run_words(line: str, folder: Path, home: Path) -> None:
    must(in_child(words(line)(folder, home, folder), folder.with_name(f"{folder.name}-made"), seconds=120, memory=None))


# ------------------------------------------------------------------------------------------------- how each is made


def built(*lines: str, unfinished: bool = False) -> Callable[[Path, Path, int], None]:
    """Commands that make the subject; {seed} is the seed. An unfinished run lacks its last checkpoint."""

    def build(folder: Path, home: Path, seed: int) -> None:
        for line in lines:
            run_words(line.replace("{seed}", str(seed)), folder, home)
        if unfinished:
            shutil.rmtree(folder / "run/checkpoints/step-00000006")
            metrics = folder / "run/metrics.jsonl"
            metrics.write_text(metrics.read_text() * 2)

    return build


def build_saved(folder: Path, home: Path, seed: int) -> None:
    """Models that Python saved, without a run."""

    def save() -> int:
        from rnnnlp import CharLM, SentimentClassifier

        SentimentClassifier.from_pretrained(home / f"classifier-{seed}/run").save_pretrained(folder / "run")
        CharLM.from_pretrained(home / f"charlm-{seed}/run").save_pretrained(folder / "run/writes")
        return 0

    must(in_child(save, folder.with_name(f"{folder.name}-made"), memory=None))


def build_cache(folder: Path, home: Path, seed: int) -> None:
    """Entries of the cache: a tokenizer, and the ids of a text."""
    (folder / "text.txt").write_text(TEXT if seed == 0 else TEXT.upper())
    os.environ["RNNNLP_CACHE"], before = str(folder / "cache"), os.environ["RNNNLP_CACHE"]
    try:
        lines = f"train charlm --data {{case}}/text.txt --tokenizer bpe --vocab-size 300 {SHORT} --bptt 8"
        run_words(f"{lines} --out {{case}}/run", folder, home)
        run_words("plot --gradients {home}/charlm-0/run --data {case}/text.txt --steps 10 --json -", folder, home)
    finally:
        os.environ["RNNNLP_CACHE"] = before


def build_data(folder: Path, home: Path, seed: int) -> None:
    """Data in each format, compressed ones, and a folder of texts for each class."""
    import gzip
    import zipfile

    import numpy as np
    import pyarrow
    import pyarrow.parquet

    data = folder / "data"
    data.mkdir()
    rows = [line.split(",") for line in REVIEWS.splitlines()[1:]][seed:]
    (data / "text.txt").write_text(TEXT)
    (data / "texts.csv").write_text(REVIEWS)
    (data / "texts.tsv").write_text(REVIEWS.replace(",", "\t"))
    (data / "texts.jsonl").write_text("".join(f'{{"text": "{text}", "label": "{label}"}}\n' for text, label in rows))
    table = pyarrow.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]})
    pyarrow.parquet.write_table(table, data / "texts.parquet")
    (data / "texts.csv.gz").write_bytes(gzip.compress(REVIEWS.encode(), mtime=0))
    with zipfile.ZipFile(data / "texts.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("texts.csv"), REVIEWS)
    rng = np.random.default_rng(seed)
    for number, (text, label) in enumerate(rows[:12]):
        (data / "classes" / label).mkdir(parents=True, exist_ok=True)
        (data / "classes" / label / f"{number}.txt").write_text(text)
    (data / "random.jsonl").write_bytes(rows_for("random.jsonl", rng))


def build_options(folder: Path, home: Path, seed: int) -> None:
    (folder / "options.toml").write_text(f"hidden-size = 6\nlr = 0.01\nsteps = 2\nseed = {seed}\n")


# --------------------------------------------------------------------------------------------------- Python commands


def classify(case: Path, home: Path) -> object:
    from rnnnlp import SentimentClassifier

    return SentimentClassifier.from_pretrained(case / "run").predict_proba(["it is good", "bad"]).tolist()


def continue_text(case: Path, home: Path, name: str = "run") -> object:
    from rnnnlp import CharLM

    return CharLM.from_pretrained(case / name).generate("All", length=20, seed=1).encode()


def measure_words(case: Path, home: Path) -> object:
    from rnnnlp import WordLM

    return sorted(WordLM.from_pretrained(case / "run").get_params().items())


def read_options(case: Path, home: Path) -> object:
    values = read_toml(str(case / "options.toml"))
    values.pop("out", None)
    refused = 0
    for name in TASKS:
        try:
            load_task(name).options_from({"data": "x"} | values)
        except UserError:
            refused += 1
    return refused


# ------------------------------------------------------------------------------------------------------ the subjects

_STATUS = words("status {case}/run")
_RUN_READ_BY = {
    "checkpoints": ("resume", "status", "evaluate last"),
    "language_model": ("resume", "status", "overwrite"),
    "metrics.jsonl": ("status", "resume", "plot"),
    ".lock": ("status", "resume", "overwrite"),
    "README.md": ("resume", "overwrite"),
}


def run_commands(task: str, data: str) -> dict[str, Command]:
    """What can be done with the run of any task."""
    return {
        "evaluate": words("evaluate {case}/run"),
        "evaluate last": words(f"evaluate {{case}}/run --weights last --data {data}"),
        "resume": words(f"{task} --resume {{case}}/run"),
        "overwrite": words(f"{task} --data {data} {SHORT} --out {{case}}/run --overwrite"),
        "status": _STATUS,
        "plot": words("plot {case}/run --json -"),
    }


_REVIEWS, _TEXT = "{home}/reviews.csv", "{home}/text.txt"
_CLASSIFIER = "train sentiment --data {home}/reviews.csv --tokenizer word --min-frequency 1 --seed {seed}"

SUBJECTS: dict[str, Subject] = {
    "classifier": Subject(
        built(f"{_CLASSIFIER} --pretraining 1 {RUN} --out {{case}}/run", unfinished=True),
        run_commands("train sentiment", _REVIEWS)
        | {"predict": words("predict {case}/run good --explain --json -"), "python": from_python(classify)},
        read_by=_RUN_READ_BY,
    ),
    "charlm": Subject(
        built(f"train charlm --data {_TEXT} --seed {{seed}} --bptt 8 {RUN} --out {{case}}/run", unfinished=True),
        run_commands("train charlm", _TEXT)
        | {
            "generate": words("generate {case}/run --seed 1 --length 30"),
            "python": from_python(continue_text),
        },
        read_by=_RUN_READ_BY,
    ),
    "word_lm": Subject(
        built(
            f"pretrain --data {_TEXT} --seed {{seed}} --bptt 8 --vocab-size 300 {RUN} --out {{case}}/run",
            unfinished=True,
        ),
        run_commands("pretrain", _TEXT)
        | {
            "start from it": words(
                f"train sentiment --data {_REVIEWS} --from {{case}}/run --steps 1 --out {{case}}/new"
            ),
            "python": from_python(measure_words),
        },
        read_by=_RUN_READ_BY,
    ),
    "ensemble": Subject(
        built(
            f"{_CLASSIFIER} {MEMBER} --out {{case}}/a",
            f"{_CLASSIFIER} {MEMBER} --cell gru --out {{case}}/b",
            "ensemble {case}/a {case}/b --out {case}/run",
        ),
        {
            "predict": words("predict {case}/run good --explain"),
            "evaluate": words(f"evaluate {{case}}/run --data {_REVIEWS}"),
            "make": words(f"ensemble {{case}}/run/members/0 {{case}}/b --data {_REVIEWS} --out {{case}}/new"),
            "overwrite": words("ensemble {case}/a {case}/b --out {case}/run --overwrite"),
            "python": from_python(classify),
        },
    ),
    "saved": Subject(
        build_saved,
        {
            "predict": words("predict {case}/run good"),
            "evaluate": words(f"evaluate {{case}}/run --data {_REVIEWS}"),
            "python": from_python(classify),
            "generate": words("generate {case}/run/writes --seed 1 --length 30"),
            "python writes": from_python(lambda case, home: continue_text(case, home, "run/writes")),
        },
        read_by={"writes": ("generate", "python writes")},
    ),
    "exported": Subject(
        built(
            f"{_CLASSIFIER} --ngram-buckets 600 {MEMBER} --hidden-size 20 --embedding-size 20 --out {{case}}/large",
            "export {case}/large --quantize int8 --out {case}/run",
        ),
        {
            "predict": words("predict {case}/run good --explain"),
            "evaluate": words(f"evaluate {{case}}/run --data {_REVIEWS}"),
            "export": words(f"export {{case}}/run --quantize int8 --data {_REVIEWS} --out {{case}}/new"),
            "start from it": words(
                f"train sentiment --data {_REVIEWS} --from {{case}}/run --steps 1 --out {{case}}/new"
            ),
            "python": from_python(classify),
        },
    ),
    "cache": Subject(
        build_cache,
        {
            "plot and train": both(
                words("plot --gradients {home}/charlm-0/run --data {case}/text.txt --steps 10 --json -"),
                words(
                    f"train charlm --data {{case}}/text.txt --tokenizer bpe --vocab-size 300 {SHORT} --bptt 8 "
                    "--out {case}/run --overwrite"
                ),
            ),
        },
        top="cache",
        result=(f"run/{WEIGHTS}", "cache"),
        mended=True,
    ),
    "options": Subject(
        build_options,
        {
            "train charlm": words(
                "train charlm --config {case}/options.toml --data {case}/missing.txt --out {case}/run"
            ),
            "train sentiment": words("train sentiment --config {case}/options.toml --data {case}/missing.csv"),
            "pretrain": words("pretrain --config {case}/options.toml --data {case}/missing.txt"),
            "python": from_python(read_options),
        },
        top="options.toml",
        forged=True,
    ),
    "data": Subject(
        build_data,
        {
            "predict": words("predict {home}/classifier-0/run --file {damaged}"),
            "train sentiment": words(
                f"train sentiment --data {{damaged}} --min-frequency 1 {SHORT} --out {{case}}/run"
            ),
            "train charlm": words(f"train charlm --data {{damaged}} --bptt 8 {SHORT} --out {{case}}/run"),
            "evaluate": words("evaluate {home}/classifier-0/run --data {damaged}"),
            "evaluate charlm": words("evaluate {home}/charlm-0/run --data {damaged}"),
        },
        top="data",
        forged=True,
    ),
}
