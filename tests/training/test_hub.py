"""Models of the Hub, with a stand-in for its server and a real cache."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard, constants

from rnnnlp import CharLM, SentimentClassifier
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training.model_folder import digest_of_model, located
from rnnnlp.training.push import push_folder
from tests.conftest import PATIENCE
from tests.hub_stand_in import TOKEN, Hub, Repo, hub_server

TINY = "--hidden-size 4 --embedding-size 3 --steps 2 --batch-size 2 --bptt 8 --evaluations 1".split()
MODEL = {"README.md", "config.json", "metrics.jsonl", "model.safetensors", "tokenizer.json"}
NAME = "me/reviews"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each kind."""
    home = tmp_path_factory.mktemp("runs")
    (home / "text.txt").write_text("To be, or not to be, that is the question.\n" * 20)
    text = ["--data", str(home / "text.txt")]
    for words in (
        ["train", "charlm", *text, "--out", str(home / "lm"), *TINY],
        ["train", "sentiment", "--data", "sample-reviews", "--out", str(home / "reviews"), *TINY],
        ["pretrain", *text, "--samples", "9", "--out", str(home / "words"), *TINY],
    ):
        assert main(words) == 0
    return home


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A stand-in that this process takes for the Hub, logged in, with an empty cache and in an empty folder."""
    with hub_server() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        yield hub


@pytest.fixture
def run(runs: Path, tmp_path: Path) -> Path:
    """A copy of the run of a classifier."""
    return Path(shutil.copytree(runs / "reviews", tmp_path / "reviews"))


def put(hub: Hub, folder: Path, name: str = NAME) -> Repo:
    """The model in a folder as one of the Hub, without a push."""
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    hub.repos[name] = Repo(commits=[{}, files])
    return hub.repos[name]


def error_of(words: list[str], capsys: pytest.CaptureFixture) -> str:
    capsys.readouterr()
    assert main(words) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rnnnlp: error: ")]
    return line.removeprefix("rnnnlp: error: ")


# ------------------------------------------------------------------------------------------------- there and back


def test_a_pushed_classifier_is_used_by_its_name(hub: Hub, run: Path, capsys: pytest.CaptureFixture):
    assert (
        main(["push", str(run), NAME, "--private", "--message", "First", "--language", "en", "--license", "mit"]) == 0
    )
    assert capsys.readouterr().out.splitlines()[-1] == f"{hub.address}/{NAME}"
    repo = hub.repos[NAME]
    assert (set(repo.files), repo.private, repo.messages) == (MODEL, True, ["First"])
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        assert repo.files[name] == (run / name).read_bytes()
    for words in (
        ["predict", "--model", NAME, "a good film"],
        ["predict", "--model", f"{NAME}@main", "a good film", "--json", "-"],
        ["evaluate", NAME],
        ["train", "sentiment", "--data", "sample-reviews", "--from", NAME, "--steps", "1", "--out", "new"],
        ["export", NAME, "--quantize", "int8", "--out", "small"],
    ):
        assert main(words) == 0
    texts = ["a good film", "bad"]
    model = SentimentClassifier.from_pretrained(NAME)
    np.testing.assert_array_equal(
        model.predict_proba(texts), SentimentClassifier.from_pretrained(run).predict_proba(texts)
    )
    assert model.card_ == repo.files["README.md"].decode()
    assert model.history_
    assert set(hub.downloaded) == MODEL  # each of them
    assert hub.downloaded == sorted(MODEL)  # once


@pytest.mark.parametrize("kind", ["lm", "words"])
def test_a_pushed_language_model_is_used_by_its_name(
    kind: str, hub: Hub, runs: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    assert main(["push", str(runs / kind), "me/model"]) == 0
    start = ["--data", str(runs / "text.txt"), "--from", "me/model", "--steps", "1", "--out", "new"]
    of_kind = {
        "lm": [["generate", "me/model", "--length", "5"], ["train", "charlm", *start, "--bptt", "8"]],
        "words": [["pretrain", *start, "--bptt", "8", "--samples", "9", "--batch-size", "2"]],
    }
    for words in (["evaluate", "me/model"], *of_kind[kind]):
        assert main(words) == 0
    if kind == "lm":
        local = CharLM.from_pretrained(runs / kind).generate("To", length=20, seed=1)
        assert CharLM.from_pretrained("me/model").generate("To", length=20, seed=1) == local


def test_models_push_themselves(hub: Hub, runs: Path):
    network = SentimentNetwork.from_pretrained(runs / "reviews")
    classifier, texts = SentimentClassifier.from_pretrained(runs / "reviews"), ["a good film", "bad"]
    assert classifier.push_to_hub("me/one", language="en", license="mit", message="One") == f"{hub.address}/me/one"
    assert network.push_to_hub("me/two", private=True) == f"{hub.address}/me/two"
    Ensemble([network, network], np.array([0.5, 1.0])).push_to_hub("me/both")
    assert hub.repos["me/two"].private
    for name in ("me/one", "me/two", "me/both"):
        np.testing.assert_allclose(
            SentimentClassifier.from_pretrained(name).predict_proba(texts)[:, 0] > 0.5,
            classifier.predict_proba(texts)[:, 0] > 0.5,
        )
    members = {f"members/{k}/{name}" for k in (0, 1) for name in ("config.json", "tokenizer.json", "model.safetensors")}
    assert set(hub.repos["me/both"].files) == members | {"README.md", "config.json", "model.safetensors"}
    network.push_to_hub("me/both")  # the members of the earlier model are gone, and only they
    hub.repos["me/both"].files["picture.png"] = b"of others"
    network.push_to_hub("me/both")
    assert set(hub.repos["me/both"].files) == MODEL - {"metrics.jsonl"} | {"picture.png"}


def test_a_revision_is_a_branch_a_tag_or_a_commit(hub: Hub, runs: Path):
    repo = put(hub, runs / "reviews")
    repo.tags["v1"] = 1
    repo.commits.append({"README.md": b"nothing else is left"})
    assert (located(f"{NAME}@v1") / "model.safetensors").is_file()
    commit = located(f"{NAME}@v1").name
    assert located(f"{NAME}@{commit}") == located(f"{NAME}@v1")
    with pytest.raises(UserError, match="me/reviews@main of the Hub is not an rnnnlp model; give the name of one"):
        located(f"{NAME}@main")


def test_nothing_of_a_model_of_others_is_downloaded_but_its_configuration(hub: Hub, runs: Path):
    repo = put(hub, runs / "reviews")
    repo.files["config.json"] = b'{"architectures": ["Bert"], "model_type": "bert"}'
    with pytest.raises(UserError, match="me/reviews of the Hub is not an rnnnlp model"):
        SentimentClassifier.from_pretrained(NAME)
    assert hub.downloaded == ["config.json"]


def test_only_files_of_a_model_are_downloaded(hub: Hub, runs: Path):
    repo = put(hub, runs / "reviews")
    repo.files.update({"run.py": b"raise SystemExit", "pytorch_model.bin": b"0", "a/config.json": b"{}"})
    SentimentClassifier.from_pretrained(NAME)
    assert set(hub.downloaded) == MODEL


def test_a_model_of_the_hub_is_checked_as_any_folder(hub: Hub, runs: Path, capsys: pytest.CaptureFixture):
    repo = put(hub, runs / "reviews")
    weights = bytearray(repo.files["model.safetensors"])
    weights[-1] ^= 1
    repo.files["model.safetensors"] = bytes(weights)
    assert "model.safetensors is damaged" in error_of(["predict", "--model", NAME, "good"], capsys)
    put(hub, runs / "lm", "me/lm")
    assert "holds a model of type char_lm; a classifier is needed" in error_of(
        ["predict", "--model", "me/lm", "a"], capsys
    )
    put(hub, runs / "lm", "me/later").files["config.json"] = b'{"format": 9, "model_type": "char_lm", "model": {}}'
    assert "has format 9; this version reads format 1" in error_of(["generate", "me/later"], capsys)


def test_a_folder_wins_over_the_hub(hub: Hub, run: Path, capsys: pytest.CaptureFixture):
    shutil.copytree(run, "me/reviews")
    assert located(NAME) == Path(NAME)
    assert (
        "me/revues is not in the folder me, which is here, so it is not looked for on the Hub; give the folder of a"
        in (error_of(["evaluate", "me/revues"], capsys))
    )
    assert hub.asked == []
    put(hub, run, "me/revues")
    assert main(["predict", "--model", "me/revues@main", "good"]) == 0


# ------------------------------------------------------------------------------------------------- what goes wrong


def refused(hub: Hub, name: str, capsys: pytest.CaptureFixture) -> str:
    """The line in which all commands that open a model of this name fail."""
    lines = {error_of([*words, name], capsys) for words in (["generate"], ["evaluate"], ["predict", "x", "--model"])}
    (line,) = lines
    return line


def test_a_model_that_is_nowhere_is_named(hub: Hub, capsys: pytest.CaptureFixture):
    assert refused(hub, "me/none", capsys) == (
        "me/none is not a folder here, and the Hub has no such model, or it is private; check the name, or "
        "set HF_TOKEN, or run: hf auth login"
    )


def test_a_private_model_needs_a_token(hub: Hub, run: Path, capsys: pytest.CaptureFixture, monkeypatch):
    put(hub, run).private = True
    assert main(["predict", "--model", NAME, "good"]) == 0
    shutil.rmtree(constants.HF_HUB_CACHE)
    monkeypatch.setenv("HF_TOKEN", "another")
    assert "or it is private; check the name, or set HF_TOKEN" in refused(hub, NAME, capsys)


def test_a_gated_model_says_where_its_terms_are(hub: Hub, capsys: pytest.CaptureFixture):
    hub.gated.add(NAME)
    assert "the Hub gives it only to those who accept its terms; do so on its page, and set HF_TOKEN" in (
        refused(hub, NAME, capsys)
    )


def test_a_missing_revision_is_named(hub: Hub, run: Path, capsys: pytest.CaptureFixture):
    put(hub, run)
    assert refused(hub, f"{NAME}@v9", capsys) == (
        "me/reviews@v9 is not a folder here, and the Hub has no revision v9 of it; give a branch, a tag or a commit"
    )


@pytest.mark.parametrize(("headers", "wait"), [({"Retry-After": "77"}, "77 seconds"), ({}, "some minutes")])
def test_too_many_requests_say_how_long_to_wait(headers, wait: str, hub: Hub, capsys: pytest.CaptureFixture):
    hub.status, hub.headers = 429, headers
    assert f"the Hub had too many requests from here; wait {wait}, or set HF_TOKEN" in refused(hub, NAME, capsys)


def test_a_hub_that_fails_is_said(hub: Hub, capsys: pytest.CaptureFixture):
    hub.status = 500
    assert "me/reviews is not a folder here, and the Hub fails with status 500 (" in refused(hub, NAME, capsys)
    hub.status = 403
    assert "the Hub does not allow it with this token, or none; set HF_TOKEN" in refused(hub, NAME, capsys)


def test_a_name_that_no_model_has_is_refused_without_the_hub(hub: Hub, capsys: pytest.CaptureFixture):
    assert "me/a..b is not a name that the Hub allows; check it" in refused(hub, "me/a..b", capsys)
    assert hub.asked == []
    for name in ("a/b/c", "./a", "one", "me/a@", "~/a"):
        assert "Hub" not in error_of(["generate", name], capsys)
    assert hub.asked == []


def test_without_a_network_what_is_in_the_cache_is_used(
    hub: Hub, run: Path, capsys: pytest.CaptureFixture, monkeypatch
):
    put(hub, run)
    assert main(["predict", "--model", NAME, "good"]) == 0
    online = capsys.readouterr().out
    hub.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert main(["predict", "--model", NAME, "good"]) == 0
    assert capsys.readouterr().out == online
    assert "HF_HUB_OFFLINE is set and it is not in the cache, " in refused(hub, "me/other", capsys)
    assert hub.asked == []
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")  # nobody is there
    assert main(["predict", "--model", NAME, "good"]) == 0
    assert f"the Hub cannot be reached at http://127.0.0.1:{port} (" in refused(hub, "me/other", capsys)


def test_a_download_that_was_cut_off_is_said(hub: Hub, run: Path, capsys: pytest.CaptureFixture, monkeypatch):
    put(hub, run)
    (located(NAME) / "model.safetensors").unlink()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set and it is not in the cache" in refused(hub, NAME, capsys)


def test_a_cache_that_cannot_be_written_is_said(
    hub: Hub, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch
):
    put(hub, run)
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "cache"))
    said = refused(hub, NAME, capsys)
    assert "and this computer cannot keep or read its files ([Errno " in said
    assert said.endswith(f"; make room in {tmp_path}/file/cache, or name another folder in HF_HOME")


def test_names_of_files_that_leave_the_folder_are_refused(hub: Hub, run: Path, capsys: pytest.CaptureFixture):
    put(hub, run).files["members/../evil/config.json"] = b"{}"
    said = refused(hub, NAME, capsys)
    assert "the Hub sent an invalid answer (Invalid filename 'members/../evil/config.json': " in said
    assert said.endswith("; tell the owner of the model")


def test_environment_variables_of_the_hub_are_respected(hub: Hub, run: Path, tmp_path: Path):
    put(hub, run).private = True
    environment = os.environ | {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN}
    command = [sys.executable, "-m", "rnnnlp.cli.main", "predict", "--model", NAME, "good"]
    online = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert online.returncode == 0, online.stderr
    assert (tmp_path / "home" / "hub" / "models--me--reviews").is_dir()
    assert "Fetching" not in online.stderr  # bars are for terminals
    environment |= {"HF_ENDPOINT": "http://127.0.0.1:1", "HF_HUB_OFFLINE": "1"}
    offline = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert (offline.returncode, offline.stdout) == (0, online.stdout)


# ------------------------------------------------------------------------------------------------- push


def yaml_of(hub: Hub) -> dict:
    return ModelCard(hub.repos[NAME].files["README.md"].decode()).data.to_dict()


def test_the_card_has_what_the_hub_reads(hub: Hub, run: Path, capsys: pytest.CaptureFixture):
    assert main(["evaluate", str(run), "--split", "test", "--json", str(run / "evaluation.json")]) == 0
    figures = json.loads((run / "evaluation.json").read_text())
    assert main(["push", str(run), NAME, "--language", "en", "--license", "mit"]) == 0
    yaml = yaml_of(hub)
    expected = {
        "language": "en",
        "license": "mit",
        "library_name": "rnnnlp",
        "pipeline_tag": "text-classification",
        "tags": ["rnnnlp", "lstm"],
        "metrics": ["accuracy", "f1"],
    }
    assert {name: yaml[name] for name in expected} == expected
    assert "datasets" not in yaml  # the sample reviews are not of the Hub
    (model,) = yaml["model-index"]
    (result,) = model["results"]
    assert model["name"] == "reviews"
    assert result["task"] == {"type": "text-classification"}
    assert result["dataset"] == {"name": "sample-reviews", "type": "sample-reviews", "split": "test"}
    assert [(m["type"], m["value"]) for m in result["metrics"]] == [
        ("accuracy", round(figures["accuracy"], 6)),
        ("f1", round(figures["macro_f1"], 6)),
    ]
    card = hub.repos[NAME].files["README.md"].decode()
    assert 'rnnnlp predict --model me/reviews "a text"' in card
    assert 'SentimentClassifier.from_pretrained("me/reviews")' in card
    assert (run / "README.md").read_text().startswith("# Sentiment classifier")  # that of the run is as it was


def test_a_card_that_was_edited_stays_so(hub: Hub, run: Path):
    edited = "---\nlicense: apache-2.0\nthumbnail: a.png\ntags:\n- mine\n---\n\n# My model\n"
    (run / "README.md").write_text(edited)
    for _ in range(2):
        assert main(["push", str(run), NAME, "--language", "de"]) == 0
        yaml = yaml_of(hub)
        assert (yaml["license"], yaml["thumbnail"], yaml["tags"], yaml["language"]) == (
            "apache-2.0",
            "a.png",
            ["mine"],
            "de",
        )
        card = hub.repos[NAME].files["README.md"].decode()
        assert card.count("## From the Hub") == card.count("# My model") == 1
        (run / "README.md").write_text(card)  # as of one that was downloaded


def test_a_model_of_the_hub_that_is_pushed_again_has_its_new_name_and_all_its_sections(hub: Hub, run: Path):
    assert main(["push", str(run), NAME]) == 0
    assert main(["export", NAME, "--quantize", "int8", "--out", "small"]) == 0
    assert main(["push", "small", "me/small"]) == 0
    card = hub.repos["me/small"].files["README.md"].decode()
    assert NAME not in card
    assert "rnnnlp predict --model me/small" in card
    assert 'SentimentClassifier.from_pretrained("me/small")' in card
    assert card.count("## Quantization") == card.count("## From the Hub") == card.count("## Model") == 1


@pytest.mark.parametrize("yaml", ["license: [", "- a list", "eval_results: 3"])
def test_a_card_whose_yaml_cannot_be_read_is_said(yaml: str, hub: Hub, run: Path, capsys: pytest.CaptureFixture):
    (run / "README.md").write_text(f"---\n{yaml}\n---\n\n# My model\n")
    said = error_of(["push", str(run), NAME], capsys)
    assert said.startswith("the YAML at the top of README.md cannot be read (")
    assert said.endswith("); correct it, or remove it")
    assert NAME not in hub.repos


def test_figures_that_are_no_numbers_are_left_out(hub: Hub, run: Path):
    huge = "9" * 400
    of_run = f'"data": "x.csv", "split": "test", "model_sha256": "{digest_of_model(run)}"'
    (run / "evaluation.json").write_text(f'{{{of_run}, "accuracy": 0.5, "macro_f1": NaN, "perplexity": {huge}}}')
    assert main(["push", str(run), NAME]) == 0
    assert yaml_of(hub)["metrics"] == ["accuracy"]


def test_data_of_the_hub_are_named(hub: Hub, run: Path):
    model = SentimentClassifier.from_pretrained(run)
    model.training_ = {**model.training_, "data": "stanfordnlp/imdb:plain_text"}
    model.push_to_hub(NAME)
    assert yaml_of(hub)["datasets"] == ["stanfordnlp/imdb"]


def test_local_data_are_not_named_as_of_the_hub_when_python_pushes(hub: Hub, runs: Path):
    model = CharLM.from_pretrained(runs / "lm")
    model.training_ = {**model.training_, "data": "corpora/texts"}  # a folder, seen from where it was trained
    model.push_to_hub(NAME)
    assert "datasets" not in yaml_of(hub)


def test_figures_of_other_weights_are_left_out(hub: Hub, run: Path, caplog: pytest.LogCaptureFixture):
    figures = {"data": "/home/me/x.csv", "split": "test", "accuracy": 0.5}
    (run / "evaluation.json").write_text(json.dumps(figures))
    push_folder(run, NAME, SentimentNetwork.from_pretrained)
    assert "the figures of /home/me/x.csv are not known to be of these weights" in caplog.text
    assert "model-index" not in yaml_of(hub)
    (run / "evaluation.json").write_text(json.dumps(figures | {"model_sha256": digest_of_model(run)}))
    push_folder(run, NAME, SentimentNetwork.from_pretrained)
    (result,) = yaml_of(hub)["model-index"][0]["results"]
    assert result["dataset"]["name"] == "x.csv"  # without the places on this computer


def test_what_cannot_be_pushed_is_named(hub: Hub, run: Path, capsys: pytest.CaptureFixture, monkeypatch):
    push = ["push", str(run)]
    assert "'reviews' is not a valid name of a model on the Hub; write it as owner/name" in error_of(
        [*push, "reviews"], capsys
    )
    assert "is not a valid name of a model on the Hub" in error_of([*push, "me/reviews@v1"], capsys)
    assert hub.asked == []
    assert error_of([*push, "others/model"], capsys) == (
        "others/model cannot be pushed: the Hub does not allow it with this token, or none; set HF_TOKEN, or run: hf "
        "auth login"
    )
    hub.repos["me/public"] = Repo()
    assert "me/public is on the Hub already, and everybody can see it; make it private on its page, leave out" in (
        error_of([*push, "me/public", "--private"], capsys)
    )
    assert hub.repos["me/public"].files == {}
    for content in ('{"accuracy": 1}', '{"data": 5, "split": "test"}', '{"data"'):
        (run / "evaluation.json").write_text(content)
        assert "evaluation.json of the run has no figures of a data set and split; evaluate again" in (
            error_of([*push, NAME], capsys)
        )
    (run / "evaluation.json").unlink()
    (run / "evaluation.json").symlink_to("/etc/hostname")
    assert "evaluation.json is a link, which is not uploaded; put the file itself there" in error_of(
        [*push, NAME], capsys
    )
    (run / "evaluation.json").unlink()
    (run / "tokenizer.json").write_text("{}")
    assert "tokenizer.json" in error_of([*push, NAME], capsys)
    assert NAME not in hub.repos
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    shutil.rmtree(run)
    assert "is not a folder" in error_of([*push, NAME], capsys)


def test_only_files_of_the_model_are_pushed(hub: Hub, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    """Nothing else has checked what is in `members`, which may have links to any file."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "config.json").write_text("{}")
    network, both = SentimentNetwork.from_pretrained(run), tmp_path / "both"
    Ensemble([network, network], np.array([0.5, 1.0])).save_pretrained(both)
    expected = {path.relative_to(both).as_posix() for path in both.rglob("*") if path.is_file()} | {"README.md"}
    for folder, stray, files in ((run, "0", MODEL), (both, "2", expected)):
        (folder / "members" / "stray").mkdir(parents=True)
        (folder / "members" / "stray" / "config.json").symlink_to(secret / "config.json")
        (folder / "members" / stray).symlink_to(secret)
        assert main(["push", str(folder), NAME]) == 0
        assert set(hub.repos.pop(NAME).files) == files
    shutil.move(both / "members" / "1", tmp_path / "elsewhere")
    (both / "members" / "1").symlink_to(tmp_path / "elsewhere")
    assert "members/1 is a link to another folder, which is not followed" in error_of(["push", str(both), NAME], capsys)
    assert NAME not in hub.repos


def test_a_push_without_a_token_or_a_network_is_refused(
    hub: Hub, run: Path, capsys: pytest.CaptureFixture, monkeypatch
):
    monkeypatch.setenv("HF_TOKEN", "another")
    assert "the Hub does not allow it with this token, or none" in error_of(["push", str(run), NAME], capsys)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "me/reviews cannot be pushed: HF_HUB_OFFLINE is set" in error_of(["push", str(run), NAME], capsys)


def test_without_the_library_one_line_says_what_to_install(run: Path, capsys: pytest.CaptureFixture, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "huggingface_hub is not installed; run: pip install huggingface_hub" in error_of(
        ["generate", "me/a"], capsys
    )
