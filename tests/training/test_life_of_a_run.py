"""A run goes on after its folder or its data moved, trains longer, and leaves a model when it is interrupted."""

import json
import logging
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnnlp import CharLM, SentimentClassifier, WordLM
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.files import WriteError, write_atomically
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.training.loop import Trainer
from rnnnlp.training.model_folder import CONFIG, config_bytes, read_config, training_of
from rnnnlp.training.run_folder import RunFolder, read_state
from rnnnlp.training.signals import Interrupted
from tests.conftest import TickingClock

LM: dict[str, Any] = {"hidden_size": 8, "embedding_size": 4, "batch_size": 2, "bptt": 8, "backend": "numpy"}
OPTIONS = [word for name, value in LM.items() for word in (f"--{name.replace('_', '-')}", str(value))]
TEXT = "".join(f"line {i} of a text that is read again.\n" for i in range(40))
REVIEWS = ["good film", "lovely day", "bad film", "awful day"] * 5
LABELS = ["good", "good", "bad", "bad"] * 5
CLASSIFIER: dict[str, Any] = {"hidden_size": 6, "embedding_size": 4, "batch_size": 2, "backend": "numpy"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and two runs, trained from inside it."""
    project = tmp_path_factory.mktemp("where") / "project"
    project.mkdir()
    (project / "book.txt").write_text(TEXT)
    rows = "".join(f"{text},{label}\n" for text, label in zip(REVIEWS, LABELS, strict=True))
    (project / "reviews.csv").write_text("text,label\n" + rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        assert main(["train", "charlm", "--data", "book.txt", *OPTIONS, "--steps", "20", "--out", "runs/lm"]) == 0
        small = "--hidden-size 6 --embedding-size 4 --batch-size 2 --epochs 1".split()
        assert main(["train", "sentiment", "--data", "reviews.csv", *small, "--out", "runs/reviews"]) == 0
    return project


@pytest.fixture
def moved(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project; the current folder is another one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Path(shutil.copytree(project, tmp_path / "moved"))


def error_of(words: list[str], capsys: pytest.CaptureFixture) -> str:
    capsys.readouterr()
    assert main(words) == 2
    return capsys.readouterr().err


def steps_of(run: Path) -> int:
    return read_state(RunFolder(run).latest_checkpoint()).step


# ---------------------------------------------------------------------------------------------------- data that moved


def test_data_are_found_where_they_were_and_beside_the_run(project: Path, moved: Path):
    run = moved / "runs" / "lm"
    assert main(["evaluate", str(run)]) == 0  # where they were during training
    assert main(["train", "charlm", "--resume", str(run)]) == 0
    assert training_of(run)["data"] == str(project / "book.txt")
    assert main(["evaluate", str(run)]) == 0

    (project / "book.txt").rename(project / "book.away")
    try:
        fresh = moved / "runs" / "again"
        shutil.copytree(project / "runs" / "lm", fresh)
        assert main(["evaluate", str(fresh)]) == 0  # seen from the run: both have moved together
        assert main(["evaluate", str(fresh), "--weights", "last"]) == 0
        assert main(["evaluate", str(fresh), "--dynamic"]) == 0
        assert main(["train", "charlm", "--resume", str(fresh)]) == 0
        assert (
            main(["ensemble", str(moved / "runs" / "reviews"), str(moved / "runs" / "reviews"), "--out", "both"]) == 0
        )
    finally:
        (project / "book.away").rename(project / "book.txt")


def test_data_that_are_gone_are_named_with_the_places_and_the_remedy(
    project: Path, moved: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    run, alone = moved / "runs" / "lm", tmp_path / "lm"
    run.rename(alone)
    (project / "book.txt").rename(project / "book.away")
    try:
        for words in (["evaluate", str(alone)], ["train", "charlm", "--resume", str(alone)]):
            said = error_of(words, capsys)
            assert f"its data, 'book.txt', are not at {tmp_path / 'here' / 'book.txt'}, {project / 'book.txt'}" in said
            assert "give --data with their new place" in said
        other = str(moved / "reviews.csv")
        assert "leave out --dynamic" in error_of(["evaluate", str(alone), "--dynamic", "--data", other], capsys)
        said = error_of(["evaluate", str(alone), "--dynamic"], capsys)
        assert "leave out --dynamic, which reads them, and give --data" in said
        assert main(["evaluate", str(alone), "--data", str(moved / "book.txt")]) == 0
        resume = ["train", "charlm", "--resume", str(alone), "--data"]
        assert main([*resume, str(moved / "book.txt")]) == 0
        assert training_of(alone)["data"] == str(moved / "book.txt")
        assert main(resume[:-1]) == 0  # the new place is kept
        (tmp_path / "other.txt").write_text(TEXT.upper())
        said = error_of([*resume, str(tmp_path / "other.txt")], capsys)
        assert "the text as a whole changed" in said
        assert f"--from {alone}" in said
        assert training_of(alone)["data"] == str(moved / "book.txt")
    finally:
        (project / "book.away").rename(project / "book.txt")


def test_a_run_of_an_earlier_version_says_only_the_name(moved: Path, capsys: pytest.CaptureFixture):
    run = moved / "runs" / "lm"
    path = RunFolder(run).latest_checkpoint() / "training_state.json"
    state = json.loads(path.read_text())
    assert set(state.pop("data_places")) == {"absolute", "from_run"}
    path.write_text(json.dumps(state))
    assert "give --data" in error_of(["evaluate", str(run)], capsys)
    shutil.copy(moved / "book.txt", run)
    assert main(["evaluate", str(run)]) == 0  # in the run folder itself


def test_a_change_of_the_configuration_may_be_cut_off_at_any_moment(moved: Path, monkeypatch: pytest.MonkeyPatch):
    run = RunFolder(moved / "runs" / "lm")
    training = training_of(run.path) | {"steps": 30}
    monkeypatch.setattr("rnnnlp.training.run_folder.write_atomically", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.save_training(training)
    CharLMNetwork.from_pretrained(run.path)  # the old configuration
    write_atomically(run.path / CONFIG, config_bytes(read_config(run.path) | {"training": training}))
    CharLMNetwork.from_pretrained(run.path)  # the new one
    write_atomically(run.path / CONFIG, config_bytes(read_config(run.path) | {"training": training | {"steps": 31}}))
    with pytest.raises(UserError, match="its checksum differs"):
        CharLMNetwork.from_pretrained(run.path)


# ------------------------------------------------------------------------------------------------------- train longer


def test_a_finished_run_trains_longer(moved: Path, capsys: pytest.CaptureFixture):
    run = moved / "runs" / "lm"
    assert main(["train", "charlm", "--resume", str(run)]) == 0
    said = capsys.readouterr().err
    assert "is finished; to train longer, resume it with more epochs, steps or budget" in said
    assert CharLM.resume(run).generate(length=5)
    assert steps_of(run) == 20
    resume = ["train", "charlm", "--resume", str(run)]
    assert main([*resume, "--steps", "40", "--evaluations", "2", "--threads", "1", "--hidden-size", "8"]) == 0
    assert steps_of(run) == 40
    assert training_of(run)["steps"] == 40
    records = list(RunFolder(run).metrics())
    lrs = {record["step"]: record["lr"] for record in records if "lr" in record}
    assert lrs[10] > lrs[20] < lrs[30] > lrs[40]  # the schedule is stretched over the new total
    assert [record["step"] for record in records if "validation" in record][-1] == 40
    assert main([*resume, "--epochs", "2"]) == 0
    assert (training_of(run)["steps"], training_of(run)["epochs"]) == (None, 2)


def test_a_budget_may_be_added_to(moved: Path, ticking: TickingClock):
    ticking.tick = 0.05
    run = moved / "runs" / "lm"
    before = read_state(RunFolder(run).latest_checkpoint())
    more = "+30s"  # than is kept for the last evaluation
    assert main(["train", "charlm", "--resume", str(run), "--budget", more]) == 0
    assert training_of(run)["budget"] == pytest.approx(before.seconds + 30)
    assert training_of(run)["steps"] is None
    assert steps_of(run) > 20
    before = read_state(RunFolder(run).latest_checkpoint())
    model = CharLM.resume(run, budget="+2s")
    assert model.training_["budget"] == pytest.approx(before.seconds + 2)
    assert model.budget == model.training_["budget"]


def test_what_cannot_change_is_refused_by_name(moved: Path, capsys: pytest.CaptureFixture):
    resume = ["train", "charlm", "--resume", str(moved / "runs" / "lm")]
    said = error_of([*resume, "--lr", "1", "--hidden-size", "9", "--steps", "40"], capsys)
    assert "--lr, --hidden-size cannot change" in said or "--hidden-size, --lr cannot change" in said
    assert "only --data, --epochs, --steps, --budget" in said
    assert "--steps is 10, and" in error_of([*resume, "--steps", "10"], capsys)
    assert "exclude one another" in error_of([*resume, "--steps", "30", "--epochs", "3"], capsys)
    assert "continues the run in its own folder; leave out --config" in error_of([*resume, "--config", "x"], capsys)
    assert training_of(moved / "runs" / "lm")["steps"] == 20
    with pytest.raises(TypeError, match="no option 'step'; did you mean steps"):
        CharLM.resume(moved / "runs" / "lm", step=40)
    with pytest.raises(UserError, match="budget 'soon' is not a duration"):
        CharLM.resume(moved / "runs" / "lm", budget="soon")


def test_a_budget_with_a_plus_is_for_a_run_that_is_resumed(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    words = ["train", "charlm", "--data", str(project / "book.txt"), "--out", str(tmp_path / "run")]
    assert "--budget +10m adds to a run: give --resume RUN" in error_of([*words, "--budget", "+10m"], capsys)


def test_an_extended_run_resumes_to_the_same_bits(moved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole, run = moved / "runs" / "lm", Path(shutil.copytree(moved / "runs" / "lm", moved / "runs" / "copy"))
    longer = ["train", "charlm", "--steps", "60", "--evaluations", "3", "--resume"]
    assert main([*longer, str(whole)]) == 0
    with monkeypatch.context() as patch:
        interrupted_after(7, patch)
        assert main([*longer, str(run)]) == 130
    assert 20 < steps_of(run) < 60
    assert main(["train", "charlm", "--resume", str(run)]) == 0
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    last = "checkpoints/step-00000060/model.safetensors"
    assert (run / last).read_bytes() == (whole / last).read_bytes()


def test_a_run_is_extended_to_the_same_bits_where_that_was_cut_off(moved: Path, monkeypatch: pytest.MonkeyPatch):
    """The configuration of the folder has the new limit, and the checkpoint the old one."""
    whole, run = moved / "runs" / "lm", Path(shutil.copytree(moved / "runs" / "lm", moved / "runs" / "copy"))
    longer = ["train", "charlm", "--steps", "60", "--evaluations", "1", "--resume"]
    assert main([*longer, str(whole)]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save_checkpoint", lambda *given: signal.raise_signal(signal.SIGINT))
        assert main([*longer, str(run)]) == 130
    assert training_of(run)["steps"] == 60
    assert main(["train", "charlm", "--resume", str(run)]) == 0
    states = [read_state(RunFolder(folder).latest_checkpoint()) for folder in (whole, run)]
    assert states[0].evaluations == states[1].evaluations
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_run_that_stopped_early_goes_on_with_more_patience(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    options = LM | {"steps": 60, "evaluations": 12, "patience": 1, "lr": 1e-30, "averaging": 0.0}  # it learns nothing
    CharLM(**options).fit([TEXT], out=tmp_path / "run")
    stopped = steps_of(tmp_path / "run")
    assert stopped == 10
    with caplog.at_level(logging.INFO):
        CharLM.resume(tmp_path / "run", [TEXT])
    assert "has stopped early; to train longer, resume it with another patience" in caplog.text
    assert steps_of(tmp_path / "run") == stopped
    for name in ("longer", "patient"):
        shutil.copytree(tmp_path / "run", tmp_path / name)
    CharLM.resume(tmp_path / "longer", [TEXT], steps=120)  # with its patience from the beginning
    assert steps_of(tmp_path / "longer") == 20
    CharLM.resume(tmp_path / "patient", [TEXT], patience=2)
    assert steps_of(tmp_path / "patient") == 20  # after two more evaluations
    CharLM.resume(tmp_path / "run", [TEXT], patience=0)
    assert steps_of(tmp_path / "run") == 60


# ------------------------------------------------------------------------------------------------- from another run


def test_a_new_text_brings_new_characters(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    base = project / "runs" / "lm"
    new = tmp_path / "new.txt"
    new.write_text("ÄÖ ~ line of a text: Ünï\n" * 30, encoding="utf-8")
    words = ["--data", str(new), "--from", str(base), "--steps", "1", "--lr", "1e-9", "--averaging", "0"]
    words += ["--hidden-size", "8"]  # as it is there
    for out in ("one", "two"):
        assert main(["train", "charlm", *words, "--out", str(tmp_path / out)]) == 0
    assert "6 new characters in the vocabulary: ':~ÄÖÜï'" in capsys.readouterr().err
    one, before = CharLMNetwork.from_pretrained(tmp_path / "one"), CharLMNetwork.from_pretrained(base)
    assert (tmp_path / "one" / "model.safetensors").read_bytes() == (
        tmp_path / "two" / "model.safetensors"
    ).read_bytes()
    known = before.config.vocab_size
    assert one.tokenizer.tokens[:known] == before.tokenizer.tokens
    assert not one.tokenizer.unknown_characters(new.read_text(encoding="utf-8"))
    ids = before.tokenizer.encode("line of a text that is read again")
    steps = np.ones(len(ids), np.int64)
    p, q = (softmax(n.forward(ids, steps, n.zero_state(1))[0]) for n in (before, one))
    assert np.abs(p - q[:, :known]).max() < 0.05
    assert (q[:, known:].sum(axis=1) <= 1 / known + 1e-6).all()
    assert "--from" in (tmp_path / "one" / "README.md").read_text()
    assert "--hidden-size" not in (tmp_path / "one" / "README.md").read_text()
    assert main(["train", "charlm", "--resume", str(tmp_path / "one"), "--steps", "3"]) == 0


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("options", [{}, {"tokenizer": "byte"}, {"tied_weights": True, "embedding_size": 8}])
def test_a_new_text_is_learned_faster_from_another_run(tmp_path: Path, options: dict[str, Any]):
    options = LM | options | {"averaging": 0.0, "dropout": 0.0}
    CharLM(**options, steps=300, lr=0.02).fit([TEXT], out=tmp_path / "base")
    new = [TEXT.replace("text", "tëxt")]
    rest = {name: options[name] for name in ("batch_size", "bptt", "backend", "averaging", "dropout")} | {"steps": 40}
    after = CharLM(**rest, from_=tmp_path / "base").fit(new)
    scratch = CharLM(**options, steps=40, lr=0.02).fit(new)
    best = [model.history_[-1]["validation"]["nats_per_char"] for model in (after, scratch)]
    assert best[0] < best[1] - 0.5
    assert after.network_.config.hidden_size == 8


def test_word_models_and_classifiers_go_on(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    words = {name: LM[name] for name in ("batch_size", "bptt", "backend")} | {"samples": 4}
    sizes = {"hidden_size": 8, "embedding_size": 4}
    first = WordLM(**words, **sizes, steps=3, min_frequency=1).fit([TEXT], out=tmp_path / "words")
    more = WordLM(**words, steps=1, lr=1e-9, averaging=0.0, dropout=0.3, from_=tmp_path / "words").fit([TEXT + "new"])
    assert more.network_.tokenizer.tokens == first.network_.tokenizer.tokens
    assert more.network_.config.dropout == 0.3
    for name, p in first.network_.parameters().items():
        np.testing.assert_allclose(more.network_.parameters()[name].value, p.value, atol=1e-6)

    run = project / "runs" / "reviews"
    classifier = SentimentClassifier.from_pretrained(run)
    options: dict[str, Any] = {"steps": 1, "lr": 1e-9, "averaging": 0.0, "batch_size": 2}
    again = SentimentClassifier(from_=run, **options).fit(["a fine film", *REVIEWS], ["good", *LABELS])
    np.testing.assert_allclose(
        again.predict_proba(REVIEWS[:4]).argmax(1), classifier.predict_proba(REVIEWS[:4]).argmax(1)
    )
    for name, p in classifier.network_.parameters().items():
        np.testing.assert_allclose(again.network_.parameters()[name].value, p.value, atol=1e-6)
    of_others = SentimentClassifier(from_=run, **options).fit(REVIEWS, ["yes", "yes", "no", "no"] * 5)
    for name, p in classifier.network_.parameters().items():  # all but the head is taken
        same = np.allclose(of_others.network_.parameters()[name].value, p.value, atol=1e-6)
        assert same == (not name.startswith("head.")), name
    with pytest.raises(UserError, match=r"pooling is last, and that of .* is mean.max; leave it out"):
        SentimentClassifier(from_=run, **options, pooling="last").fit(REVIEWS, LABELS)
    with pytest.raises(UserError, match=r"hidden_size is 9, and that of from_ .*lm is 8; leave it out"):
        CharLM(from_=project / "runs" / "lm", hidden_size=9, steps=1).fit([TEXT])
    with pytest.raises(UserError, match="holds a model of type sentiment; one of type char_lm is needed here"):
        CharLM(from_=run, steps=1).fit([TEXT])


# ----------------------------------------------------------------------------------------------------------- Python


def interrupted_after(steps: int, patch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes in the step after this number of steps."""
    advance, left = Trainer.advance, [steps]

    def then_stop(trainer: Trainer, progress: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signal.SIGINT)
        advance(trainer, progress)

    patch.setattr(Trainer, "advance", then_stop)


@pytest.mark.parametrize("evaluations", [1, 10])
def test_an_interrupted_fit_leaves_the_model_so_far(evaluations: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = CharLM(**LM, steps=20, evaluations=evaluations)
    with monkeypatch.context() as patch:
        patch.setenv("HOME", str(tmp_path))
        interrupted_after(9, patch)
        with pytest.raises(KeyboardInterrupt):
            model.fit([TEXT], out="~/lm")
    untrained = CharLM(**LM, steps=1, lr=1e-9, averaging=0.0).fit([TEXT])
    weights = [m.network_.head.bias.value for m in (model, untrained)]
    assert np.abs(weights[0] - weights[1]).max() > 1e-3
    model.save_pretrained(tmp_path / "saved")
    assert CharLM.from_pretrained(tmp_path / "saved").generate(length=5, seed=1) == model.generate(length=5, seed=1)

    classifier = SentimentClassifier(**CLASSIFIER, steps=20, evaluations=evaluations)
    with monkeypatch.context() as patch:
        interrupted_after(3, patch)
        with pytest.raises(Interrupted):
            classifier.fit(REVIEWS, LABELS, out=tmp_path / "run")
    assert set(classifier.predict(REVIEWS)) <= {"good", "bad"}
    assert (tmp_path / "run" / "README.md").is_file()
    longer = SentimentClassifier.resume(tmp_path / "run", REVIEWS, LABELS, steps=30)
    whole = SentimentClassifier(**CLASSIFIER, steps=30, evaluations=evaluations).fit(REVIEWS, LABELS)
    assert longer.history_[-1]["step"] == whole.history_[-1]["step"] == 30
    assert longer.classes_.tolist() == ["bad", "good"]


def test_an_interrupt_before_the_first_step_leaves_no_model(monkeypatch: pytest.MonkeyPatch):
    model = CharLM(**LM, steps=20)
    monkeypatch.setattr(Trainer, "train", lambda trainer: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        model.fit([TEXT])
    assert not hasattr(model, "network_")


def test_without_a_folder_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept, model = tmp_path / "run", SentimentClassifier(**CLASSIFIER, steps=12)
    model.fit(REVIEWS, LABELS).save_pretrained(tmp_path / "saved")
    SentimentClassifier(**CLASSIFIER, steps=12).fit(REVIEWS, LABELS, out=kept)
    names = {"config.json", "tokenizer.json", "model.safetensors", "metrics.jsonl", "README.md"}
    assert {path.name for path in (tmp_path / "saved").iterdir()} == names
    card = (tmp_path / "saved" / "README.md").read_text()
    without_time = re.compile(r"\([\d,]+ seconds\)")
    assert without_time.sub("", card) == without_time.sub("", (kept / "README.md").read_text())
    assert "(texts)" not in card
    assert "trained by rnnnlp on texts that were given in Python" in card
    call = re.search(r"^    (SentimentClassifier\(.*\)\.fit\(texts, labels\))$", card, re.MULTILINE)
    assert call
    assert "steps=12" in call[1]
    again = eval(call[1], {"SentimentClassifier": SentimentClassifier, "texts": REVIEWS, "labels": LABELS})
    assert (again.predict_proba(REVIEWS) == model.predict_proba(REVIEWS)).all()
    assert [r["step"] for r in model.history_ if "validation" in r]
    loaded = SentimentClassifier.from_pretrained(tmp_path / "saved")
    assert loaded.history_ == model.history_
    assert loaded.card_ == model.card_


def test_a_run_of_python_says_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture):
    run = tmp_path / "run"
    CharLM(**LM, steps=2).fit([TEXT], out=run)
    for words in (["evaluate", str(run)], ["train", "charlm", "--resume", str(run)]):
        assert "trained on texts that Python gave, which are not kept; give --data" in error_of(words, capsys)
    with pytest.raises(UserError, match=r"is not what .* was trained on"):
        CharLM.resume(run, [TEXT.upper()])
    assert CharLM.resume(run, [TEXT], steps=4).history_ is not None
    (tmp_path / "same.txt").write_text(TEXT)
    assert CharLM.resume(run, tmp_path / "same.txt", steps=6).training_["data"] == str(tmp_path / "same.txt")
    assert json.loads((run / CONFIG).read_text())["training"]["steps"] == 6


def test_a_folder_that_cannot_be_written_is_used_and_measured(moved: Path, monkeypatch: pytest.MonkeyPatch):
    run = moved / "runs" / "lm"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert main(["evaluate", str(run)]) == 0
    assert main(["generate", str(run), "--length", "5"]) == 0
    assert main(["status", str(run)]) == 0
    CharLM.from_pretrained(run).generate(length=5)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before  # nothing is written


def test_a_fit_that_is_interrupted_before_it_begins_is_not_the_run_that_it_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    SentimentClassifier(**CLASSIFIER, steps=3).fit(REVIEWS, LABELS, out=tmp_path / "run")
    monkeypatch.setattr("rnnnlp.tasks.sentiment.train.make_objective", lambda *_: signal.raise_signal(signal.SIGINT))
    model = SentimentClassifier(**CLASSIFIER, steps=3)
    with pytest.raises(KeyboardInterrupt):
        model.fit(REVIEWS, LABELS, out=tmp_path / "run", overwrite=True)
    assert not hasattr(model, "network_")
    assert SentimentClassifier.from_pretrained(tmp_path / "run").predict(REVIEWS).shape == (len(REVIEWS),)


def test_only_a_run_that_began_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """What cannot be written while a run is replaced says nothing of resuming the one before."""
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    words = ["train", "charlm", "--data", str(text), "--out", str(tmp_path / "run"), "--hidden-size", "4"]
    words += ["--bptt", "8", "--steps", "2", "--overwrite"]
    assert main(words) == 0
    save = Trainer.save_checkpoint
    for step in (0, 2):

        def full(trainer: Trainer, folder: RunFolder | None = None, step: int = step) -> None:
            if trainer.clock.step == step:
                raise WriteError("a file cannot be written (No space left on device); make room on that disk")
            save(trainer, folder)

        monkeypatch.setattr(Trainer, "save_checkpoint", full)
        capsys.readouterr()
        assert main(words) == 2
        assert ("resume with: rnnnlp train charlm --resume" in capsys.readouterr().err) == (step > 0)


@pytest.mark.usefixtures("ticking")
@pytest.mark.parametrize("given", [9000, 9001, None])
def test_a_limit_of_epochs_that_is_given_again_stays(tmp_path: Path, given: int | None):
    CharLM(**LM, budget="0.3s", max_epochs=9000, evaluations=1).fit([TEXT], out=tmp_path / "run")
    again = CharLM.resume(tmp_path / "run", [TEXT], budget="+3s", max_epochs=given)
    assert again.training_["max_epochs"] == given


@pytest.mark.parametrize("kind", [CharLM, WordLM])
def test_texts_of_python_have_the_separator_between_them(kind: type[CharLM] | type[WordLM], tmp_path: Path):
    options: dict[str, Any] = {"hidden_size": 4, "bptt": 8, "steps": 2, "batch_size": 2, "evaluations": 1}
    options |= {"tokenizer": "char"} if kind is CharLM else {"min_frequency": 1, "samples": 2}
    texts = [TEXT, TEXT, TEXT]
    model = kind(**options, document_separator=" <end> ").fit(texts, out=tmp_path / "run")
    known = model.network_.tokenizer
    assert len(known.encode("<end>")) > 0
    assert not known.unknown_characters("<end>")
    assert kind(**options).fit(texts).network_.tokenizer.unknown_characters("<end>")
    kind.resume(tmp_path / "run", texts, steps=3)
    with pytest.raises(UserError, match="write a backslash as"):
        kind(**options, document_separator="\\x").fit(texts)


def test_validation_texts_are_given_again(tmp_path: Path):
    CharLM(**LM, steps=2).fit([TEXT], validation_data=[TEXT], out=tmp_path / "run")
    assert CharLM.resume(tmp_path / "run", [TEXT], validation_data=[TEXT], steps=4).training_["steps"] == 4


@pytest.mark.parametrize("kind", [CharLM, WordLM])
def test_a_table_whose_column_was_named_is_given_again(kind: type[CharLM] | type[WordLM], tmp_path: Path):
    table = {"id": ["a", "b"], "content": [TEXT, TEXT.upper()]}
    options: dict[str, Any] = {"hidden_size": 4, "bptt": 8, "steps": 2, "batch_size": 2, "evaluations": 1}
    options |= {} if kind is CharLM else {"min_frequency": 1, "samples": 2}
    kind(**options, text_column="content").fit(table, out=tmp_path / "run")
    assert kind.resume(tmp_path / "run", table, steps=4).training_["steps"] == 4
