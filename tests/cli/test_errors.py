"""A user's mistake ends in one line that names the value and the remedy, and in exit code 2."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from rnnnlp.cli.main import main
from rnnnlp.models.storage import load_tensors, save_tensors
from rnnnlp.training.run_folder import BESIDE_STATE, STATE, STATE_TENSORS, RunFolder

TINY = "--hidden-size 4 --embedding-size 3 --steps 2 --batch-size 2 --bptt 8 --evaluations 1".split()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files of many kinds, a trained model of each kind, and an untouched copy of each."""
    home = tmp_path_factory.mktemp("home")
    (home / "text.txt").write_text("To be, or not to be, that is the question.\n" * 20)
    (home / "short.txt").write_text("abc")
    (home / "empty.txt").write_text("")
    (home / "latin.txt").write_bytes(b"caf\xe9 au lait")
    (home / "one_class.csv").write_text("text,label\ngood,1\nfine,1\n")
    (home / "no_label.csv").write_text("text,other\ngood,1\nfine,0\n")
    (home / "other_label.csv").write_text("text,label\ngood,wonderful\nbad,terrible\n")
    (home / "bad.toml").write_text("hidden-size = ")
    (home / "smooth.toml").write_text("label-smoothing = 0.1\n")
    (home / "unknown.toml").write_text("hidden_sise = 3\n")
    (home / "senseless.toml").write_text("hidden-size = 1" + "0" * 5000)
    (home / "quoted.csv").write_text('text,label\n"good" or not,1\n')
    (home / "no.parquet").write_text("no parquet")
    (home / "list.jsonl").write_text("[1]\n")
    (home / "mixed.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b", "label": "good"}\n')
    (home / "hollow").mkdir()
    (home / "stranger").mkdir()
    (home / "stranger" / "letter.txt").write_text("not a run")
    data = home / "text.txt"
    assert main(["train", "charlm", "--data", str(data), "--out", str(home / "lm"), *TINY]) == 0
    assert main(["train", "sentiment", "--data", "sample-reviews", "--out", str(home / "reviews"), *TINY]) == 0
    words = ["pretrain", "--data", str(data), "--samples", "9", "--out", str(home / "words"), *TINY]
    assert main(words) == 0
    return home


# What was done, and what the one line says.
MISTAKES = {
    "train charlm": "--data is missing",
    "train charlm --data {home}/nothing.txt": "nothing.txt",
    "train charlm --data {home}/empty.txt": "empty.txt",
    "train charlm --data {home}/short.txt": "give more text or a smaller --bptt",
    "train charlm --data {home}/latin.txt": "byte 3 is not valid UTF-8",
    "train charlm --data {home}/text.txt --hidden-size 0": "--hidden-size is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --dropout 1.5": "--dropout is 1.5; it must be at least 0 and below 1",
    "train charlm --data {home}/text.txt --cell lstn": "--cell is lstn; it must be one of lstm, gru",
    "train charlm --data {home}/text.txt --hidden-size 10000000": "--hidden-size is 10000000; it must be smaller",
    "train sentiment --data sample-reviews --num-layers 999999999": "smaller, or --embedding-size or --num-layers",
    "train charlm --data {home}/text.txt --config {home}/senseless.toml": "senseless.toml is not valid TOML",
    "train charlm --data {home}/text.txt --on-divergence go": "--on-divergence is go; it must be one of stop, rollback",
    "train charlm --data {home}/text.txt --optimizer sgd --max-norm 0 --lr 1e30 --steps 9": "try a smaller --lr",
    "train charlm --data {home}/text.txt --keep-checkpoints 0": "--keep-checkpoints is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --shuffle-blocks -1": "--shuffle-blocks is -1; it must be at least 0",
    "train charlm --data {home}/text.txt --document-separator \\x": r"--document-separator is \x; write a backslash as",
    "train charlm --data {home}/text.txt --lr 0": "--lr is 0.0; it must be above 0",
    "train charlm --data {home}/text.txt --lr nan": "--lr is nan",
    "train charlm --data {home}/text.txt --backend gpu": "--backend is gpu; it must be one of auto, numpy",
    "train charlm --data {home}/text.txt --epochs 1 --steps 3": "--epochs, --steps and --budget exclude one another",
    "train charlm --data {home}/text.txt --tied-weights": "--tied-weights is True; it must be false unless",
    "train charlm --data {home}/text.txt --out {home}/lm": "--resume {home}/lm or give --overwrite",
    "train charlm --data {home}/text.txt --out {home}/stranger": "not empty and not a run",
    "train charlm --data {home}/text.txt --out {home}/text.txt": "is a file; give the name of a new folder",
    "train charlm --data {home}/text.txt --config {home}/none.toml": "none.toml",
    "train charlm --data {home}/text.txt --config {home}/bad.toml": "bad.toml is not valid TOML",
    "train charlm --data {home}/text.txt --config {home}/unknown.toml": "'hidden_sise' is not an option",
    "train charlm --data {home}/text.txt --lr 1e38 --max-norm 0 --bptt 8 --steps 9": "try a smaller --lr or --max-norm",
    "train sentiment --data sample-reviews --lr 1e38 --max-norm 0 --steps 9": "(largest in",
    "pretrain --data {home}/text.txt --samples 0": "--samples is 0; it must be at least 1",
    "pretrain --data {home}/text.txt --config {home}/smooth.toml": "--label-smoothing is 0.1; it must be 0 among",
    "pretrain --data {home}/short.txt": "give more text or a smaller --bptt",
    "train sentiment --data sample-reviews --from {home}/nothing": "nothing is not a folder",
    "train sentiment --data sample-reviews --from {home}/lm": "lm holds a char_lm model; a bidirectional_lm model is",
    "train sentiment --data sample-reviews --from {home}/words --hidden-size 3": "--hidden-size is that of the",
    "train sentiment --data sample-reviews --from {home}/words --tokenizer bpe": "--tokenizer is that of the",
    "train sentiment --data sample-reviews --lr-decay 0": "--lr-decay is 0.0; it must be above 0 and at most 1",
    "evaluate {home}/words --dynamic": "--dynamic is for character language models, and {home}/words is of words",
    "evaluate {home}/words --mistakes 2": "--mistakes is for classifiers",
    "predict {home}/words text": "holds a bidirectional_lm model; a sentiment model is needed here",
    "generate {home}/words": "holds a bidirectional_lm model; a char_lm model is needed here",
    "pretrain --data {home}/text.txt --resume {home}/lm": "leave out --data",
    "pretrain --resume {home}/lm": "holds a char_lm model; a bidirectional_lm model is needed here",
    "train charlm --resume {home}/stranger": "no checkpoint to go on from",
    "status {home}/stranger": "config.json is missing",
    "status {home}/nothing": "nothing is not a folder",
    "train charlm --resume {home}/nothing": "nothing is not a folder",
    "train charlm --resume {home}/reviews": "holds a sentiment model; a char_lm model is needed here",
    "train charlm --resume {home}/lm --lr 1": "leave out --lr",
    "train sentiment --data {home}/one_class.csv": "only the label",
    "train sentiment --data {home}/no_label.csv": "--label-column",
    "train sentiment --data {home}/no_label.csv --label-column sentiment": "has no column 'sentiment'",
    "train sentiment --data sample-reviews --class-weights 2": "--class-weights is 2; it must be one of none, balanced",
    "train sentiment --data sample-reviews --pooling sum": "--pooling is sum; it must be one of last, mean",
    "generate {home}/lm --temperature -1": "--temperature is -1.0; it must be at least 0",
    "generate {home}/lm --top-p 0": "--top-p is 0.0; it must be above 0",
    "generate {home}/lm --samples 0": "--samples is 0; it must be at least 1",
    "generate {home}/lm --seed -1": "--seed is -1; it must be at least 0",
    "generate {home}/reviews": "holds a sentiment model; a char_lm model is needed here",
    "generate {home}/nothing": "is not a folder",
    "generate {home}/stranger": "config.json is missing",
    "evaluate {home}/lm --split test": "has no split 'test'",
    "evaluate {home}/reviews --data {home}/other_label.csv --split train": "which the model does not know",
    "evaluate {home}/reviews --split test --json {home}/none/out.json": "cannot be written",
    "evaluate {home}/reviews --split test --dynamic": "is a classifier",
    "evaluate {home}/reviews --mistakes -1": "--mistakes is -1; it must be at least 0",
    "evaluate {home}/lm --mistakes 3": "--mistakes is for classifiers",
    "evaluate {home}/lm --baseline": "--baseline is for classifiers",
    "evaluate {home}/lm --dynamic-lr 0.1": "without --dynamic",
    "evaluate {home}/lm --dynamic --dynamic-lr -1": "--dynamic-lr is -1.0; it must be at least 0",
    "evaluate {home}/reviews --split test --threads 0": "--threads is 0; it must be at least 1",
    "predict {home}/lm text": "holds a char_lm model; a sentiment model is needed here",
    "predict {home}/reviews text --file {home}/text.txt": "give one of them",
    "predict {home}/reviews --file {home}/none.txt": "none.txt",
    "train charlm --data {home}/text.txt --batch-size 0": "--batch-size is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --bptt 0": "--bptt is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --steps 0": "--steps is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --epochs 0": "--epochs is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --budget 0": "--budget is 0.0; it must be above 0 seconds",
    "train charlm --data {home}/text.txt --evaluations 0": "--evaluations is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --checkpoint-every 0": "--checkpoint-every is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --patience -1": "--patience is -1; it must be at least 0",
    "train charlm --data {home}/text.txt --seed -1": "--seed is -1; it must be at least 0",
    "train charlm --data {home}/text.txt --weight-decay -1": "--weight-decay is -1.0; it must be at least 0",
    "train charlm --data {home}/text.txt --max-norm -1": "--max-norm is -1.0; it must be at least 0",
    "train charlm --data {home}/text.txt --momentum 1": "--momentum is 1.0; it must be at least 0 and below 1",
    "train charlm --data {home}/text.txt --warmup 2": "--warmup is 2.0; it must be at least 0 and below 1",
    "train charlm --data {home}/text.txt --averaging 1": "--averaging is 1.0; it must be at least 0 and below 1",
    "train charlm --data {home}/text.txt --label-smoothing 1": "--label-smoothing is 1.0; it must be",
    "train charlm --data {home}/text.txt --optimizer lion": "--optimizer is lion; it must be one of adamw, adam",
    "train charlm --data {home}/text.txt --schedule linear": "--schedule is linear; it must be one of",
    "train charlm --data {home}/text.txt --tokenizer sentencepiece": "--tokenizer is sentencepiece; it must be one of",
    "train charlm --data {home}/text.txt --num-layers 0": "--num-layers is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --embedding-size 0": "--embedding-size is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --validation-tokens 0": "--validation-tokens is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --threads 100000000": (
        "--threads is 100000000; it must be at least 1 and at most 1024"
    ),
    "train charlm --data {home}/text.txt --tokenizer bpe --vocab-size 5": "vocab_size is 5; it must be at least 256",
    "train charlm --data {home}/quoted.csv": "quote fields with",
    "train charlm --data {home}/no.parquet": "no.parquet cannot be read as parquet",
    "train sentiment --data {home}/list.jsonl": "line 1: list, expected an object with the columns as keys",
    "train sentiment --data {home}/mixed.jsonl": "mixes numbers and names as labels (1, 'good'); use one kind",
    "train sentiment --data {home}/text.txt": "is plain text; for labels give csv, tsv, jsonl, parquet",
    "train sentiment --data sample-reviews --max-length 0": "--max-length is 0; it must be at least 1",
    "train charlm --data {home}/none*.txt": "matches no file; check the pattern",
    "train charlm --data {home}/hollow": "holds no data; expected split files",
    "train charlm --resume {home}/lm --out {home}/x": "leave out other options",
    "generate {home}/lm --top-k -1": "--top-k is -1; it must be at least 0",
    "generate {home}/lm --length -1": "--length is -1; it must be at least 0",
    "generate {home}/lm --repetition-penalty 0": "--repetition-penalty is 0.0; it must be above 0",
    "generate {home}/lm --repetition-window 0": "--repetition-window is 0; it must be at least 1",
    "evaluate {home}/reviews --data {home}/nothing.csv": "nothing.csv': no such file or folder; expected",
    "predict {home}/reviews text --json {home}/none/out.json": "cannot be written",
}

# Of the environment, by name and value: what the one line says. A full or read-only disk: tests/training/test_disk.py.
ENVIRONMENT = {
    "RNNNLP_BACKEND=gpu": "RNNNLP_BACKEND is gpu; it must be one of auto, numpy, native",
    "RNNNLP_ISA=mmx": "RNNNLP_ISA is mmx; it must be unset, or one of ",
    "RNNNLP_CACHE=/dev/null/cache": "cannot write the cache /dev/null/cache",
}


def error_of(words: list[str], capsys: pytest.CaptureFixture) -> str:
    """The line in which a command fails; it must fail as a user's mistake."""
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("rnnnlp: error: ")]
    return line


@pytest.mark.parametrize("command", list(MISTAKES))
def test_a_mistake_is_named(command: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    words = [word.format(home=home) for word in command.split()]
    if words[0] in ("train", "pretrain") and "--out" not in words and "--resume" not in words:
        words += ["--out", str(tmp_path / "run")]
    assert MISTAKES[command].format(home=home) in error_of(words, capsys)


@pytest.mark.parametrize("variable", list(ENVIRONMENT))
def test_a_mistake_in_the_environment_is_named(variable: str, home: Path, tmp_path: Path):
    name, _, value = variable.partition("=")
    words = ["train", "charlm", "--data", str(home / "text.txt"), "--out", str(tmp_path / "run"), *TINY]
    if name == "RNNNLP_ISA":
        pytest.importorskip("rnnnlp.kernels.native", reason="needs the native kernels", exc_type=ImportError)
    program = [sys.executable, "-m", "rnnnlp.cli.main", *words]
    ended = subprocess.run(program, env=os.environ | {name: value}, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ENVIRONMENT[variable] in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_run_in_one_folder_is_refused(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run = tmp_path / "run"
    shutil.copytree(home / "lm", run)
    with RunFolder.reopen(run):
        for words in (["--resume", str(run)], ["--data", str(home / "text.txt"), "--out", str(run), "--overwrite"]):
            said = error_of(["train", "charlm", *words], capsys)
            assert f"{run} is in use: process {os.getpid()} trains in it; wait, stop it, or give another folder" in said


def test_options_that_argparse_refuses_also_end_with_code_2(capsys: pytest.CaptureFixture):
    for command in ("train charlm --budget soon", "train charlm --hidden-size many", "train", "nonsense"):
        with pytest.raises(SystemExit) as stopped:
            main(command.split())
        assert stopped.value.code == 2
    assert "'soon' is not a duration; write it as 90s, 10m" in capsys.readouterr().err


# What was done to the folder of a model, and what the one line says when it is opened.
DAMAGES = {
    "config missing": (lambda run: (run / "config.json").unlink(), "config.json is missing"),
    "config cut": (lambda run: cut(run / "config.json"), "config.json is damaged"),
    "config nested": (lambda run: (run / "config.json").write_text("[" * 100_000), "config.json is damaged"),
    "unknown key": (lambda run: edit(run, hiden_size=3), "unknown key 'hiden_size'"),
    "wrong type": (lambda run: edit(run, hidden_size="many"), "--hidden-size is 'many'; it must be int"),
    "wrong value": (lambda run: edit(run, hidden_size=-3), "--hidden-size is -3; it must be at least 1"),
    "another size": (lambda run: edit(run, hidden_size=5), "config.json is not the file that model.safetensors was"),
    "wrong size": (lambda run: seal(run, hidden_size=3), "tensor recurrent.0.forward.W_x is float32 (16, 3) and must"),
    "huge size": (lambda run: seal(run, hidden_size=10**5), "they are not of the same model"),
    "senseless size": (lambda run: edit(run, hidden_size=10**400), "--hidden-size is larger than any number that"),
    "a key twice": (lambda run: append(run / "config.json", ', "format": 1}'), "config.json is damaged (a key comes"),
    "training of another kind": (lambda run: rewrite(run, training={"lr": "x"}), "config.json is not the file that"),
    "training no object": (lambda run: rewrite(run, training=[]), "training is []; it must be an object"),
    "wrong vocabulary": (lambda run: edit(run, vocab_size=5), "they are not of the same model"),
    "tokenizer missing": (lambda run: (run / "tokenizer.json").unlink(), "tokenizer.json"),
    "tokenizer cut": (lambda run: cut(run / "tokenizer.json"), "tokenizer.json is damaged"),
    "weights missing": (lambda run: (run / "model.safetensors").unlink(), "model.safetensors is missing"),
    "weights cut": (lambda run: cut(run / "model.safetensors"), "model.safetensors is damaged"),
    "weights empty": (lambda run: (run / "model.safetensors").write_bytes(b""), "model.safetensors is damaged"),
    "a tensor missing": (lambda run: drop_tensor(run), "is missing; the file and config.json"),
    "weights flipped": (lambda run: flip_last_bit(run / "model.safetensors"), "its checksum is not the one in it"),
    "weights unsealed": (lambda run: unseal(run), "does not have the checksums that rnnnlp writes"),
    "weights not finite": (lambda run: seal(run, weight=np.nan), "head.bias has values that are not finite"),
    "another character": (lambda run: swap_characters(run), "tokenizer.json is not the file that model.safetensors"),
    "tokenizer enormous": (lambda run: os.truncate(run / "tokenizer.json", 1 << 36), "it has 68719476736 bytes"),
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(run: Path, **changes: object) -> None:
    config = json.loads((run / "config.json").read_text())
    config["model"] |= changes
    (run / "config.json").write_text(json.dumps(config))


def rewrite(run: Path, **changes: object) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | changes))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text().rstrip()[:-1] + text)


def flip_last_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def swap_characters(run: Path) -> None:
    path = run / "tokenizer.json"
    path.write_text(path.read_text().replace('"b"', '"B"'))


MODEL_FILES = ("config.json", "tokenizer.json")


def seal(run: Path, weight: float = 0.0, **changes: object) -> None:
    """Damage with the right checksums, as someone would do it on purpose."""
    tensors = load_tensors(run / "model.safetensors", beside=MODEL_FILES)
    edit(run, **changes)
    tensors["head.bias"][0] = weight
    save_tensors(run / "model.safetensors", tensors, beside=MODEL_FILES)


def unseal(run: Path) -> None:
    path = run / "model.safetensors"
    path.write_bytes(safetensors.numpy.save(load_tensors(path, beside=MODEL_FILES)))


def drop_tensor(run: Path) -> None:
    tensors = load_tensors(run / "model.safetensors", beside=MODEL_FILES)
    tensors["spare"] = tensors.pop("head.bias")
    save_tensors(run / "model.safetensors", tensors, beside=MODEL_FILES)


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_model_is_refused(damage: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run = tmp_path / "run"
    shutil.copytree(home / "lm", run)
    break_it, message = DAMAGES[damage]
    break_it(run)
    assert message in error_of(["generate", str(run)], capsys)


# What was done to the last checkpoint, and what the one line says when the run is to go on.
CHECKPOINT_DAMAGES = {
    "tensors flipped": (lambda last: flip_last_bit(last / STATE_TENSORS), "its checksum is not the one in it"),
    "tensors cut": (lambda last: cut(last / STATE_TENSORS), "training_state.safetensors is damaged"),
    "configuration cut": (lambda last: cut(last / "config.json"), "step-00000002 to go on from step-00000000"),
    "weights missing": (lambda last: (last / "model.safetensors").unlink(), "model.safetensors is missing"),
    "weights of another step": (
        lambda last: shutil.copy(last.parent / "step-00000000" / "model.safetensors", last),
        "model.safetensors is not the file that training_state.safetensors was saved with",
    ),
    "state cut": (lambda last: cut(last / STATE), "training_state.json is not the file that training_state.safe"),
    "state nested": (lambda last: forge(last, "[" * 100_000), "training_state.json is damaged"),
    "state of something else": (lambda last: forge(last, "{}"), "is damaged: it must have step, seconds"),
    "step no number": (lambda last: forge_state(last, step="2"), "is damaged: step is '2'"),
    "step senseless": (lambda last: forge_state(last, step=10**30), "is damaged: step is 1000"),
    "no such batch": (lambda last: forge_state(last, position={"epoch": 0, "window": 10**9}), "there is no batch 1000"),
    "no random numbers": (lambda last: forge_state(last, rng={}), "training_state.json is damaged"),
    "other data": (lambda last: forge_state(last, data="other"), "is not what it was when"),
}


def forge(checkpoint: Path, state: str) -> None:
    """Another training state, with the right checksums."""
    (checkpoint / STATE).write_text(state)
    tensors = safetensors.numpy.load_file(checkpoint / STATE_TENSORS)
    save_tensors(checkpoint / STATE_TENSORS, tensors, beside=BESIDE_STATE)


def forge_state(checkpoint: Path, **changes: object) -> None:
    forge(checkpoint, json.dumps(json.loads((checkpoint / STATE).read_bytes()) | changes))


@pytest.mark.parametrize("damage", list(CHECKPOINT_DAMAGES))
def test_a_damaged_checkpoint_is_refused(damage: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    run = tmp_path / "run"
    shutil.copytree(home / "lm", run)
    break_it, message = CHECKPOINT_DAMAGES[damage]
    break_it(run / "checkpoints" / "step-00000002")
    assert message in error_of(["train", "charlm", "--resume", str(run)], capsys)


def test_a_line_stays_a_line_whatever_is_in_it(tmp_path: Path, capsys: pytest.CaptureFixture):
    line = error_of(["generate", f"{tmp_path}/a\nb\x1b\udcff"], capsys)
    assert "a\\nb\\x1b\\udcff is not a folder" in line
    assert len(error_of(["generate", "x" * 100_000], capsys)) < 3000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error(home: Path):
    command = [sys.executable, "-m", "rnnnlp.cli.main", "generate", str(home / "lm"), "--length", "5"]
    with open("/dev/full", "w") as full:
        process = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 2, process.stderr
    assert "No space left on device; free or repair it, then try again" in process.stderr
    assert "Traceback" not in process.stderr


def test_too_little_memory_is_an_error(home: Path, tmp_path: Path):
    words = [
        "train",
        "charlm",
        "--data",
        str(home / "text.txt"),
        "--hidden-size",
        "40000",
        "--out",
        str(tmp_path / "run"),
    ]
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)); "
    command = [sys.executable, "-c", limit + "from rnnnlp.cli.main import main; sys.exit(main())", *words]
    process = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert process.returncode == 2, process.stderr
    assert "rnnnlp: error: there is not enough memory (Unable to allocate" in process.stderr


def test_a_transposed_weight_comes_back_equal(tmp_path: Path):
    weight = np.arange(6, dtype=np.float32).reshape(2, 3).T
    save_tensors(tmp_path / "weights.safetensors", {"weight": weight})
    np.testing.assert_array_equal(load_tensors(tmp_path / "weights.safetensors")["weight"], weight)
