"""The commands do what the README says, on built-in data and small models."""

import codecs
import io
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from rnnnlp.cli.main import COMMANDS, main
from rnnnlp.cli.train import command_to_resume
from rnnnlp.tasks import load_task
from rnnnlp.tasks.char_lm.generate import Sampling, generate
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.char_lm.objective import SAMPLE_LENGTH
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training.model_folder import read_config
from tests.runs import trained, trained_on

TINY = "--hidden-size 8 --embedding-size 6 --evaluations 2".split()


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = str(tmp_path_factory.mktemp("runs") / "language_model")
    assert main(["train", "charlm", "--data", "python-docs", "--steps", "6", *TINY, "--out", run]) == 0
    return run


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> str:
    run = str(tmp_path_factory.mktemp("runs") / "classifier")
    assert main(["train", "sentiment", "--data", "sample-reviews", "--epochs", "1", *TINY, "--out", run]) == 0
    return run


def test_a_run_folder_is_complete(language_model: str, classifier: str):
    for run in (language_model, classifier):
        names = {path.name for path in Path(run).iterdir()}
        assert names == {
            *(
                "config.json",
                "tokenizer.json",
                "model.safetensors",
                "README.md",
                "metrics.jsonl",
                "checkpoints",
                ".lock",
            )
        }
        lines = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
        assert sum("validation" in line for line in lines) == 2
        assert (
            f"rnnnlp train {'charlm' if run == language_model else 'sentiment'}"
            in (Path(run) / "README.md").read_text()
        )


def test_each_evaluation_of_a_language_model_has_a_sample(language_model: str, classifier: str):
    for run, writes in ((language_model, True), (classifier, False)):
        lines = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
        assert all(("sample" in line) == (writes and "validation" in line) for line in lines)
        evaluations = [line for line in lines if "sample" in line]
        assert len(evaluations) == (2 if writes else 0)
        if writes:
            assert evaluations[0]["sample"] != evaluations[1]["sample"]  # each with the weights of that step
            best = min(evaluations, key=lambda line: line["validation"]["nats_per_char"])
            assert generated(CharLMNetwork.from_pretrained(run), length=SAMPLE_LENGTH) == best["sample"]


def test_the_tokenizer_of_a_run_opens_in_its_own_library(classifier: str):
    from tokenizers import Tokenizer

    text = "What a lovely film, 质量很好!"
    ids = SentimentNetwork.from_pretrained(classifier).tokenizer.encode(text)
    assert Tokenizer.from_file(str(Path(classifier) / "tokenizer.json")).encode(text).ids == ids.tolist()


def test_generate_repeats_itself_with_the_same_seed(language_model: str, capsys: pytest.CaptureFixture):
    texts = []
    for seed in ("1", "1", "2"):
        assert main(["generate", language_model, "--prompt", "The ", "--length", "60", "--seed", seed]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].startswith("The ")
    assert len(texts[0]) == len("The ") + 60 + 1


def test_generate_ends_the_text_before_the_first_of_its_stop_strings(
    language_model: str, capsys: pytest.CaptureFixture
):
    words = ["generate", language_model, "--prompt", "The ", "--length", "60", "--seed", "4"]
    assert main(words) == 0
    whole = capsys.readouterr().out.rstrip("\n")
    stops = (whole[30:33], whole[20:23])
    assert main([*words, *(f"--stop={stop}" for stop in stops)]) == 0
    end = min(whole.index(stop, len("The ")) for stop in stops)
    assert capsys.readouterr().out.rstrip("\n") == whole[:end].rstrip("\n")


def test_generate_says_which_characters_are_new(language_model: str, capsys: pytest.CaptureFixture):
    assert main(["generate", language_model, "--prompt", "中a🙂", "--length", "5", "--temperature", "0"]) == 0
    captured = capsys.readouterr()
    assert "'中' (U+4E2D), '🙂' (U+1F642)" in captured.err
    assert captured.out.startswith("中a🙂")


def test_samples_read_the_prompt_once_and_differ(language_model: str, capsys: pytest.CaptureFixture):
    assert main(["generate", language_model, "--samples", "3", "--length", "40", "--seed", "0"]) == 0
    parts = capsys.readouterr().out.split("-" * 40)
    assert len({part.strip("\n") for part in parts}) == 3


def test_evaluate_a_language_model(language_model: str, capsys: pytest.CaptureFixture):
    assert main(["evaluate", language_model, "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    measured = {"nats_per_char", "bits_per_char", "perplexity", "tokens"}
    assert set(figures) == measured | {"split", "data", "seconds", "weights", "model_sha256"}
    assert figures["split"] == "validation"
    assert figures["bits_per_char"] == pytest.approx(figures["nats_per_char"] / 0.6931472, rel=1e-6)


def test_dynamic_evaluation_of_a_language_model(language_model: str, capsys: pytest.CaptureFixture):
    found = []
    for words in ([], ["--dynamic", "--dynamic-lr", "0"], ["--dynamic"]):
        assert main(["evaluate", language_model, *words, "--json", "-"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    still, without, dynamic = (figures["nats_per_char"] for figures in found)
    assert without == pytest.approx(still, rel=1e-6)
    assert dynamic < still - 0.1  # six steps of training leave much to learn
    assert [figures.get("dynamic") for figures in found] == [None, True, True]


def test_evaluate_a_classifier(classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    path = tmp_path / "figures.json"
    assert main(["evaluate", classifier, "--split", "test", "--json", str(path)]) == 0
    figures = json.loads(path.read_text())
    assert set(figures) >= {"accuracy", "macro_f1", "expected_calibration_error", "per_class", "confusion_matrix"}
    assert figures["examples"] == 100
    assert 0.05 <= figures["temperature"] <= 20
    said = capsys.readouterr().out
    assert f"accuracy {figures['accuracy']:.4f}" in said
    for error in ("expected_calibration_error", "uncalibrated_error"):
        assert f"{figures[error]:.4f}" in said
    assert main(["evaluate", classifier, "--split", "test", "--weights", "last", "--json", "-"]) == 0


def test_predict_from_arguments_files_and_standard_input(
    classifier: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    texts = ["good", "", "bad " * 3000]
    assert main(["predict", classifier, *texts, "--json", "-"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in lines] == texts
    assert all(sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5) for line in lines)

    file = tmp_path / "texts.txt"
    file.write_text("good\n\nbad")
    assert main(["predict", classifier, "--file", str(file)]) == 0
    from_file = capsys.readouterr().out
    for words in ([], ["-"], ["--backend", "auto", "-"], ["--file", "-"]):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
        assert main(["predict", classifier, *words]) == 0
        assert capsys.readouterr().out == from_file
    labels = [line.split("\t")[0] for line in from_file.splitlines()]
    assert [label == "(no text)" for label in labels] == [False, True, False]


def test_a_configuration_file_with_command_line_values_on_top(tmp_path: Path):
    toml = tmp_path / "run.toml"
    toml.write_text('data = "sample-reviews"\nhidden-size = 5\nembedding_size = 4\nsteps = 2\nevaluations = 1\n')
    assert "hidden-size" in tomllib.loads(toml.read_text())
    toml.write_bytes(codecs.BOM_UTF8 + toml.read_bytes())  # as Notepad writes it
    run = tmp_path / "run"
    assert main(["train", "sentiment", "--config", str(toml), "--hidden-size", "7", "--out", str(run)]) == 0
    config = read_config(run)
    assert (config["model"]["hidden_size"], config["model"]["embedding_size"]) == (7, 4)
    assert config["training"]["steps"] == 2


def test_a_folder_and_its_replacement_from_a_file(tmp_path: Path):
    toml, run = tmp_path / "run.toml", tmp_path / "run"
    toml.write_text(f'data = "sample-reviews"\nout = "{run}"\noverwrite = true\nsteps = 2\nevaluations = 1\n')
    small = ["--hidden-size", "5", "--embedding-size", "4"]
    for _ in range(2):
        assert main(["train", "sentiment", "--config", str(toml), *small]) == 0
    other = tmp_path / "other"
    assert main(["train", "sentiment", "--config", str(toml), *small, "--out", str(other)]) == 0
    assert (other / "model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


def test_a_run_is_replaced_only_by_one_that_begins(tmp_path: Path):
    run, small = tmp_path / "run", "--hidden-size 5 --embedding-size 4 --steps 2 --evaluations 1".split()
    assert main(["train", "sentiment", "--data", "sample-reviews", *small, "--out", str(run)]) == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    (tmp_path / "empty.csv").write_text("")
    again = ["train", "sentiment", "--data", str(tmp_path / "empty.csv"), *small, "--out", str(run), "--overwrite"]
    assert main(again) == 2
    assert all(path.read_bytes() == content for path, content in before.items())


def test_documents_are_kept_apart_in_training_and_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "texts").mkdir()
    for number in range(40):
        (tmp_path / "texts" / f"{number:02}.txt").write_text("a text that ends ")
    run = tmp_path / "run"
    words = ["--data", str(tmp_path / "texts"), "--steps", "2", "--document-separator=-#\\n", "--shuffle-blocks", "100"]
    assert main(["train", "charlm", *words, *TINY, "--bptt", "8", "--batch-size", "2", "--out", str(run)]) == 0
    assert {"#", "\n"} <= set(CharLMNetwork.from_pretrained(run).tokenizer.characters)
    assert r"'--document-separator=-#\n'" in (run / "README.md").read_text()
    capsys.readouterr()
    assert main(["evaluate", str(run), "--json", "-"]) == 0
    characters = 40 * len("a text that ends ") + 39 * len("-#\n")
    assert json.loads(capsys.readouterr().out)["tokens"] == characters - int(0.9 * characters) - 1


def test_dynamic_evaluation_keeps_documents_apart_too(tmp_path: Path, capsys: pytest.CaptureFixture):
    texts = [f"text {number} ends " * 9 for number in range(20)]
    (tmp_path / "texts").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "texts" / f"{number:02}.txt").write_text(text)
    (tmp_path / "joined.txt").write_text("-#\n".join(texts))
    found = []
    for data, words in (("texts", ["--document-separator=-#\\n"]), ("joined.txt", [])):
        run = str(tmp_path / f"run-{data}")
        words = ["--data", str(tmp_path / data), *words, *TINY, "--steps", "4", "--bptt", "8", "--batch-size", "2"]
        assert main(["train", "charlm", *words, "--out", run]) == 0
        capsys.readouterr()
        assert main(["evaluate", run, "--dynamic", "--json", "-"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    apart, joined = ((figures["tokens"], figures["nats_per_char"]) for figures in found)
    assert apart == joined


def test_python_does_the_same_as_the_command(tmp_path: Path):
    options = {"hidden_size": 6, "embedding_size": 5, "steps": 4, "evaluations": 1, "batch_size": 4}
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    run = tmp_path / "run"
    assert main(["train", "charlm", "--data", "python-docs", *words, "--out", str(run)]) == 0
    model = trained("char_lm", tmp_path / "python", data="python-docs", **options)
    command = CharLMNetwork.from_pretrained(run)
    assert generated(model, "def ", length=30) == generated(command, "def ", length=30)
    for name, parameter in model.parameters().items():
        assert (parameter.value == command.parameters()[name].value).all()


def test_train_predict_and_score_in_python(tmp_path: Path):
    texts = ["good fine lovely", "bad awful poor"] * 20
    labels = ["up", "down"] * 20
    options = {"epochs": 12, "hidden_size": 8, "embedding_size": 8, "batch_size": 8, "lr": 0.01}
    model = trained_on(texts, labels, tmp_path / "run", **options)
    assert model.score(texts, labels) == 1
    assert model.predict(["a lovely fine day"]).tolist() == ["up"]
    assert model.predict_proba([]).shape == (0, 2)
    model.save_pretrained(tmp_path / "model")
    again = SentimentNetwork.from_pretrained(tmp_path / "model")
    assert (again.predict_proba(texts) == model.predict_proba(texts)).all()


def generated(model: CharLMNetwork, prompt: str = "", *, length: int) -> str:
    return "".join(generate(model, prompt, Sampling(length=length), rng=np.random.default_rng(0)))


def test_help_explains_every_command(capsys: pytest.CaptureFixture):
    for command in ("", *COMMANDS, "train charlm", "train sentiment"):
        with pytest.raises(SystemExit) as stopped:
            main([*command.split(), "--help"])
        assert stopped.value.code == 0
        assert "usage: rnnnlp" in capsys.readouterr().out


def test_the_command_that_resumes_a_run_can_be_typed():
    task = load_task("char_lm")
    assert command_to_resume(task, "my runs/a") == "rnnnlp train charlm --resume 'my runs/a'"
    assert command_to_resume(task, "-a") == "rnnnlp train charlm --resume ./-a"


def test_info(capsys: pytest.CaptureFixture):
    assert main(["info"]) == 0
    assert "kernels" in capsys.readouterr().out


def test_importing_costs_nothing_heavy():
    heavy = "{'numpy', 'datasets', 'tokenizers', 'pyarrow', 'tqdm'}"
    code = f"import sys, rnnnlp, rnnnlp.cli.main; print(list({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
