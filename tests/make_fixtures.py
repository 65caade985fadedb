"""Makes the run folders in tests/fixtures with an installed version of rnnnlp.

    python -m tests.make_fixtures RNNNLP VERSION [NAME ...]

RNNNLP is the installed command, such as venv/bin/rnnnlp. NAME is one of FIXTURES (default: all of them).
The folder tests/fixtures/VERSION-NAME must not exist. The tests never write into these folders.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent / "fixtures"
SEED, STEPS = 1, 6
SMALL = f"--batch-size 4 --evaluations 2 --backend numpy --seed {SEED}"
SHORT = f"--hidden-size 4 --embedding-size 3 --steps {STEPS} --checkpoint-every {STEPS // 2} {SMALL}"
TIED = SHORT.replace("--embedding-size 3", "--embedding-size 4")
MEMBER = f"--hidden-size 4 --embedding-size 3 --steps 120 --lr 0.1 {SMALL}"
CLASSIFIER = "train sentiment --data data.csv --tokenizer word --min-frequency 1"
FIXTURES = {  # the commands in the spelling of the version that makes them
    "charlm": [f"train charlm --out run --data data.txt --bptt 8 {SHORT}"],
    "gru": [
        "train charlm --out run --data data.txt --bptt 8 --tokenizer byte --cell gru --num-layers 2 "
        f"--tied-weights --variational --weight-drop 0.2 {TIED}"
    ],
    "pretrain": [f"pretrain --out run --data data.txt --bptt 8 --tokenizer bpe --vocab-size 290 --samples 16 {SHORT}"],
    "sentiment": [f"{CLASSIFIER} --out run {SHORT}"],
    "ngrams": [f"{CLASSIFIER} --out run --votes 64 --cell gru_reset_first {SHORT}"],
    "pretrained": [f"{CLASSIFIER} --out run --pretraining 1 {SHORT}"],
    "ensemble": [
        f"{CLASSIFIER} --out a --votes 64 {MEMBER}",
        f"{CLASSIFIER} --out b --cell elman_tanh --no-bidirectional --pooling attention {MEMBER}",
        "combine a b --out run --backend numpy",
    ],
}
TEXTS = ["it is good", "it is bad and number 7 is not new", "number 3", "", "good good bad unseen words"]
Run = Callable[..., str]  # runs rnnnlp with these words and returns its standard output


def measure(run: Run, weights: str = "best", folder: str = "run", *options: str) -> dict[str, float]:
    """Measures a run with `rnnnlp evaluate`.

    Args:
        run: runs rnnnlp in the folder of the fixture.
        weights: "best", or "last" for those of the newest checkpoint.
        folder: the run folder.
        options: further options of the command.

    Returns:
        Every figure that is a float, by its name.
    """
    found = json.loads(run("evaluate", folder, "--weights", weights, "--backend", "numpy", "--json", "-", *options))
    return {name: found[name] for name in sorted(found) if isinstance(found[name], float) and name != "seconds"}


def predictions(run: Run) -> list[dict[str, Any]]:
    """Returns what `rnnnlp predict` writes for each of TEXTS: label and probabilities, with 6 digits."""
    lines = run("predict", "run", *TEXTS, "--backend", "numpy", "--json", "-").splitlines()
    return [json.loads(line) for line in lines]


def generated(run: Run) -> str:
    """Returns what `rnnnlp generate` writes with a fixed seed."""
    return run("generate", "run", "--prompt", "All", "--length", "60", "--seed", str(SEED), "--backend", "numpy")


def all_figures(run: Run) -> dict[str, Any]:
    """Measures all that the run in the working folder can be used for."""
    model_type = json.loads(Path("run/config.json").read_text())["model_type"]
    figures: dict[str, Any] = {"best": measure(run)}
    if Path("run/checkpoints").is_dir():
        figures["last"] = measure(run, "last")
    if Path("run/language_model").is_dir():
        figures["language_model"] = measure(run, "best", "run/language_model")
    if model_type == "char_lm":
        figures["generated"] = generated(run)
    elif not model_type.endswith("_lm"):
        figures["predictions"] = predictions(run)
    return figures


def write_text(path: Path) -> None:
    path.write_text("All happy families are alike; each unhappy one is unhappy in its own way.\n" * 12)


def write_reviews(path: Path) -> None:
    """Writes 240 short texts, one in seven of them with the wrong label."""
    rng, lines = np.random.default_rng(SEED), []
    for i in range(240):
        words = [*rng.choice(["it", "is", "number", "and", "not", "new", str(i)], rng.integers(3, 9))]
        words.insert(int(rng.integers(len(words))), ("bad", "good")[i % 2])
        lines.append(f"{' '.join(words)},{('no', 'yes')[(i + (i % 7 == 3)) % 2]}\n")
    path.write_text("text,label\n" + "".join(lines))


def make(rnnnlp: str, version: str, name: str) -> Path:
    """Makes one fixture: data, commands, run folder and figures. Returns its folder."""
    folder = FOLDER / f"{version}-{name}"
    folder.mkdir(parents=True)
    os.chdir(folder)
    if "data.txt" in FIXTURES[name][0]:
        write_text(Path("data.txt"))
    else:
        write_reviews(Path("data.csv"))

    def run(*words: str) -> str:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run([rnnnlp, *words], check=True, stdout=subprocess.PIPE, env=environment)
        return done.stdout.decode()

    for command in FIXTURES[name]:
        run(*shlex.split(command))
    commands = [f"rnnnlp {command}" for command in FIXTURES[name]]
    end = {}
    last = Path(f"run/checkpoints/step-{STEPS:08d}")
    if last.is_dir():
        end = {"end": measure(run, "last")}
        shutil.rmtree(last)  # the folder is then that of a run that was killed before its last checkpoint
        commands.append(f"rm -r {last}")
    for member in (path for path in Path().iterdir() if path.is_dir() and path.name != "run"):
        shutil.rmtree(member)  # the ensemble has copies
        commands.append(f"rm -r {member}")
    for lock in Path().rglob(".lock"):
        lock.unlink()
    Path("commands.txt").write_text("".join(f"{command}\n" for command in commands))
    Path("figures.json").write_text(json.dumps(all_figures(run) | end, indent=1) + "\n")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rnnnlp", metavar="RNNNLP", help="the command of an installed version")
    parser.add_argument("version", metavar="VERSION", help="its version, which begins the folder's name")
    parser.add_argument("names", nargs="*", choices=[*FIXTURES, []], metavar="NAME", help="which fixtures to make")
    given = parser.parse_args()
    for name in given.names or FIXTURES:
        print(make(os.path.abspath(given.rnnnlp), given.version, name))


if __name__ == "__main__":
    main()
