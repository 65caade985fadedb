"""Pictures are of the numbers in the run folders. Without matplotlib the drawing itself is not tested."""

import json
import math
import os
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from rnnnlp.analysis import plots
from rnnnlp.analysis.plots import Curves, draw_curves, draw_gradient_norms, save, training_curves
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError

if os.environ.get("RNNNLP_REQUIRE_MATPLOTLIB") == "1":
    import matplotlib  # noqa: F401

drawing = pytest.mark.usefixtures("matplotlib_or_skip")


@pytest.fixture
def matplotlib_or_skip():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures are drawn")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    small = "--hidden-size 8 --embedding-size 6 --evaluations 3 --steps 60".split()
    runs = {"charlm": str(folder / "lm"), "sentiment": str(folder / "reviews $1 and $2")}
    for kind, data in (("charlm", "python-docs"), ("sentiment", "sample-reviews")):
        assert main(["train", kind, "--data", data, "--out", runs[kind], *small]) == 0
    return runs


def test_curves_are_those_of_the_metrics(runs: dict[str, str]):
    lines = [json.loads(line) for line in (Path(runs["charlm"]) / "metrics.jsonl").read_text().splitlines()]
    curves = training_curves(runs["charlm"])
    assert curves.steps == [10, 20, 30, 40, 50, 60]
    assert curves.loss == [line["loss"] for line in lines if "loss" in line]
    assert curves.validation_steps == [20, 40, 60]
    nats = [line["validation"]["nats_per_char"] for line in lines if "validation" in line]
    assert curves.validation_loss == pytest.approx(nats)  # a token is a character here
    assert curves.accuracy == []
    assert np.all(np.diff(curves.seconds) >= 0)

    reviews = training_curves(runs["sentiment"])
    assert len(reviews.accuracy) == len(reviews.validation_loss) == 3
    assert all(0 <= accuracy <= 1 for accuracy in reviews.accuracy)


def test_lines_that_make_no_sense_are_left_out(tmp_path: Path):
    good = {"step": 10, "seconds": 1.5, "loss": 2.0}
    bad = [{"loss": math.nan}, {"loss": "2"}, {"seconds": None}, {"validation": 3}, {"validation": {"perplexity": -1}}]
    lines = [good, *({**good, **change} for change in bad[:3]), *({"step": 1, "seconds": 1, **v} for v in bad[3:])]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 20, "se')
    assert training_curves(tmp_path) == Curves(steps=[10], seconds=[1.5], loss=[2.0], last=good)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(UserError, match=r"metrics\.jsonl has no losses to draw"):
        training_curves(tmp_path)


def test_losses_among_candidates_are_known(tmp_path: Path):
    figures = {"loss": 5.0, "perplexity": 148.4, "perplexity_forward": 148.0, "perplexity_reverse": 148.8}
    lines = [{"step": 10, "seconds": 1.5, "loss": 2.0}, {"step": 10, "seconds": 1.5, "validation": figures}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert training_curves(tmp_path).sampled
    (tmp_path / "metrics.jsonl").write_text(json.dumps(lines[0]) + "\n")
    assert not training_curves(tmp_path).sampled


def test_numbers_need_no_matplotlib(
    runs: dict[str, str], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["plot", runs["charlm"], "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)[runs["charlm"]]["steps"] == [10, 20, 30, 40, 50, 60]
    untrained = "plot --gradients --cells gru,elman_tanh --hidden-size 4 --steps 5 --streams 3 --json -".split()
    assert main(untrained) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert list(numbers) == ["gru, 4 units, untrained", "elman_tanh, 4 units, untrained"]
    for norms in numbers.values():
        assert np.shape(norms["streams"]) == (3, 5)
        assert norms["median"] == np.median(norms["streams"], axis=0).tolist()
    assert main(["plot", runs["charlm"], "--out", "curves.png"]) == 2
    assert "pip install 'rnnnlp[plot]'" in capsys.readouterr().err


def test_gradients_of_a_run_are_those_of_its_model(runs: dict[str, str], capsys: pytest.CaptureFixture):
    words = ["plot", "--gradients", runs["charlm"], *"--steps 5 --streams 3 --json -".split()]
    assert main(words) == 0
    trained = json.loads(capsys.readouterr().out)[runs["charlm"]]["median"]
    assert len(trained) == 5
    assert all(norm > 0 for norm in trained)


def test_other_data_are_read_with_the_column_of_the_run(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Data without that column are read with a usual one."""
    (tmp_path / "both.csv").write_text("summary,body\n" + "to be or not to be,that is it\n" * 40)
    (tmp_path / "usual.csv").write_text("body\n" + "to be or not to be\n" * 40)
    tiny = "--hidden-size 4 --embedding-size 3 --steps 2 --batch-size 2 --bptt 8 --evaluations 1".split()
    train = ["train", "charlm", "--data", str(tmp_path / "both.csv"), "--text-column", "summary", *tiny]
    assert main([*train, "--out", str(tmp_path / "run")]) == 0
    found = []
    for name in ("both.csv", "usual.csv"):
        words = ["plot", "--gradients", str(tmp_path / "run"), "--data", str(tmp_path / name)]
        capsys.readouterr()
        assert main([*words, *"--steps 2 --streams 2 --json -".split()]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]


def test_of_data_for_testing_all_is_read(runs: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "test.csv").write_text("text\n" + "to be or not to be\n" * 5)
    words = ["plot", "--gradients", runs["charlm"], *"--steps 2 --streams 2 --json - --data".split()]
    assert main([*words, str(tmp_path / "test.csv")]) == 0
    assert len(json.loads(capsys.readouterr().out)[runs["charlm"]]["median"]) == 2


@pytest.mark.parametrize("runs_of", [[], ["charlm"]])
def test_other_data_are_read_as_the_options_say(
    runs: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture, runs_of: list[str]
):
    (tmp_path / "old.csv").write_bytes("body,words\nother,caf\xe9 au lait\n".encode("cp1252") * 40)
    (tmp_path / "new.csv").write_text("text\n" + "words\ncaf\xe9 au lait\n" * 40, encoding="utf-8")
    words = "plot --gradients --steps 2 --streams 2 --json -".split() + [runs[name] for name in runs_of]
    if not runs_of:
        words += "--cells gru --hidden-size 4".split()
    found = []
    for name, reading in (("old.csv", ["--encoding", "cp1252", "--text-column", "words"]), ("new.csv", [])):
        assert main([*words, "--data", str(tmp_path / name), *reading]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]


def test_a_run_is_drawn_with_the_encoding_of_its_training(tmp_path: Path):
    (tmp_path / "text.txt").write_bytes(b"caf\xe9 au lait\n" * 40)
    tiny = "--hidden-size 4 --embedding-size 3 --steps 2 --batch-size 2 --bptt 8 --evaluations 1".split()
    train = ["train", "charlm", "--data", str(tmp_path / "text.txt"), "--encoding", "cp1252", *tiny]
    assert main([*train, "--out", str(tmp_path / "run")]) == 0
    assert main(["plot", "--gradients", str(tmp_path / "run"), *"--steps 2 --streams 2 --json -".split()]) == 0


def test_each_seed_makes_other_untrained_models(capsys: pytest.CaptureFixture):
    said = []
    for seed in ("0", "1", "1"):
        words = f"plot --gradients --cells gru --hidden-size 4 --steps 2 --streams 2 --json - --seed {seed}".split()
        assert main(words) == 0
        said.append(capsys.readouterr().out)
    assert said[0] != said[1] == said[2]


def test_larger_recurrent_weights_carry_gradients_further(capsys: pytest.CaptureFixture):
    last = []
    for scale in ("1", "2"):
        words = f"plot --gradients --cells elman_tanh --hidden-size 16 --steps 20 --json - --scale {scale}".split()
        assert main(words) == 0
        (numbers,) = json.loads(capsys.readouterr().out).values()
        last.append(numbers["median"][-1])
    assert last[1] > 100 * last[0]


@drawing
def test_pictures_are_written(runs: dict[str, str], tmp_path: Path):
    signatures = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for suffix, signature in signatures.items():
        path = tmp_path / f"curves.{suffix}"
        assert main(["plot", *runs.values(), "--x", "time", "--out", str(path)]) == 0
        assert path.read_bytes().startswith(signature)
    assert "minutes" in (tmp_path / "curves.svg").read_text()
    path = tmp_path / "gradients.png"
    assert main(["plot", "--gradients", runs["charlm"], "--steps", "5", "--out", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@drawing
def test_what_is_drawn():
    curves = Curves(steps=[1, 2, 3], seconds=[60, 120, 180], loss=[3, 2, 1], validation_steps=[3], validation_loss=[4])
    curves.validation_seconds = [180]
    (axes,) = draw_curves({"a": curves}, axis="time").axes
    drawn = [line.get_xydata().tolist() for line in axes.lines]
    assert [[1, 3], [2, 2], [3, 1]] in drawn
    assert [[3, 4]] in drawn
    assert "minutes" in axes.get_xlabel()
    assert {"a", "training (running mean)"} < {text.get_text() for text in axes.get_legend().texts}
    assert axes.get_ylim()[1] > 4
    curves.sampled, curves.accuracy = True, [0.5]
    assert draw_curves({"a": curves}).axes[1].lines[0].get_xydata().tolist() == [[3, 0.5]]
    curves.accuracy = []
    (axes,) = draw_curves({"a": curves}).axes
    assert "among candidates" in " ".join(text.get_text() for text in axes.get_legend().texts)

    (axes,) = draw_gradient_norms({"a": np.array([[1.0, 3.0], [0.0, 0.0]])}).axes
    assert axes.get_yscale() == "log"
    assert axes.lines[0].get_xydata().tolist() == [[1, 2], [2, 0]]
    (axes,) = draw_gradient_norms({"a": np.array([[1.0, 3.0]])}).axes  # of one step
    assert axes.get_xlim() == (1, 2)


@drawing
def test_the_running_mean_of_a_long_run():
    steps = list(range(1, 121))
    (axes,) = draw_curves({"a": Curves(steps=steps, seconds=steps, loss=[2.0] * 120)}).axes
    means = [line.get_xydata() for line in axes.lines if len(line.get_xdata()) == 118]
    np.testing.assert_allclose(means, [[[step, 2.0] for step in steps[1:-1]]])


@drawing
def test_a_picture_that_cannot_be_written(runs: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["plot", runs["charlm"], "--out", str(tmp_path / "none" / "curves.png")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"out .*curves.png cannot be written \(No such file or directory\)"):
        save(draw_curves({"a": Curves(steps=[1], seconds=[1], loss=[1])}), tmp_path / "none" / "curves.png")


@drawing
def test_a_picture_may_be_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    save(draw_curves({"a": Curves(steps=[1], seconds=[1], loss=[1])}), "~/curves.svg")
    assert (tmp_path / "curves.svg").read_bytes().startswith(b"<?xml")


@drawing
def test_names_with_control_characters_are_visible_in_a_picture(runs: dict[str, str], tmp_path: Path):
    name = "a\x1b[2J\n\u202e\x01\udcff <b> & $x$"
    figure = draw_curves({name: training_curves(next(iter(runs.values())))})
    figure.savefig(tmp_path / "curves.svg")
    (legend,) = (text.get_text() for text in figure.axes[0].get_legend().get_texts() if "2J" in text.get_text())
    assert legend == r"a\x1b[2J\n\u202e\x01\udcff <b> & \$x\$"
    ElementTree.parse(tmp_path / "curves.svg")  # is XML


@drawing
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_names_whose_characters_the_font_lacks(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Other fonts that are installed are asked for them, and there is no warning if no font has them."""
    monkeypatch.setattr(plots, "FALLBACK_FONTS", ("A font of nobody", "DejaVu Serif"))
    figure = draw_curves({"评论": Curves(steps=[1, 2], seconds=[1, 2], loss=[3, 2])})
    save(figure, tmp_path / f"curves{suffix}")
    (name,) = (text for text in figure.axes[0].get_legend().get_texts() if text.get_text() == "评论")
    assert name.get_fontfamily()[-1] == "DejaVu Serif"
    assert "A font of nobody" not in name.get_fontfamily()
