"""Learning curves: nested parts of the texts, finished trainings that are kept, and what is told of the figures."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from rnnnlp.analysis import learning_curve as module
from rnnnlp.analysis.learning_curve import CurveData, Kept, Point, outlook, rows_of_part, table, usable_sizes
from rnnnlp.analysis.linear_baseline import Baseline
from rnnnlp.cli.main import main
from rnnnlp.errors import UserError
from rnnnlp.tasks.sentiment.task import TASK
from rnnnlp.text import LabelledSplit
from tests.cli.furnished import TINY

GOOD, BAD = "a lovely film with number {}", "a dull film with number {}"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "films.csv"
    path.write_text("text,label\n" + "".join(f"{GOOD.format(i)},good\n{BAD.format(i)},bad\n" for i in range(40)))
    return path


def points(*figures: tuple[int, int, float]) -> list[Point]:
    beside = {"TF-IDF": {"accuracy": 0.7, "macro_f1": 0.69, "C": 1.0}}
    return [Point(size, seed, accuracy, accuracy - 0.1, 3.0, beside) for size, seed, accuracy in figures]


def test_parts_grow_and_every_class_has_its_share():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [700, 290, 10]))
    for seed in (0, 1):
        parts = {size: set(rows_of_part(labels, size, seed)) for size in (6, 20, 100, 300, 1000)}
        assert [len(part) for part in parts.values()] == list(parts)
        for smaller, larger in zip(list(parts.values())[:-1], list(parts.values())[1:], strict=True):
            assert smaller < larger
        assert np.bincount(labels[list(parts[6])]).tolist() == [2, 2, 2]
        for size in (100, 300):
            shares = np.bincount(labels[list(parts[size])]) / size
            np.testing.assert_allclose(shares, [0.7, 0.29, 0.01], atol=0.02)
    assert set(rows_of_part(labels, 100, 0)) != set(rows_of_part(labels, 100, 1))


def test_sizes_that_the_texts_are_not_enough_for_are_left_out(caplog: pytest.LogCaptureFixture):
    labels = np.repeat([0, 1, 2], [50, 49, 1])
    assert usable_sizes("30, 10,all,4,300,10", labels) == [10, 30, 100]
    assert "4 labels are left out: two texts of each class are 5" in caplog.text
    assert "300 labels are left out: there are 100 texts to train on" in caplog.text
    assert usable_sizes([20, "all"], labels) == [20, 100]
    for wrong in ("ten", "", "10,,20", "-3", "0", "1.5", "1e3", "²", "9" * 5000):
        with pytest.raises(UserError, match=r"sizes has '.*'; it must be numbers of texts or all, such as 100,"):
            usable_sizes(wrong, labels)
    with pytest.raises(UserError, match=r"sizes has no number from 5 .* to 100 .*; give some, or all"):
        usable_sizes("1000", labels)


def test_baselines_learn_from_the_texts_of_their_size(data: Path, monkeypatch: pytest.MonkeyPatch):
    sizes: list[int] = []

    def fitted(part: LabelledSplit, classes: int) -> list[Baseline]:
        sizes.append(len(part))
        return [Baseline("TF-IDF", {"C": 1.0}, 0.5, lambda texts: np.full((len(texts), classes), 1 / classes))]

    monkeypatch.setattr(module, "fit_baselines", fitted)
    monkeypatch.setattr(module, "_trained", lambda *given: {"accuracy": 0.5, "macro_f1": 0.5, "seconds": 1.0})
    values = {"data": str(data), "epochs": 1}
    module.learning_curve(TASK, values, CurveData.load(str(data)), sizes=[12, 20, 64], seeds=2, baselines=True)
    assert sizes == [12, 12, 20, 20, 64]  # all texts are the same for each seed


def test_a_changed_label_or_text_is_noticed(tmp_path: Path):
    rows = {"train": "fine,1\nbad,0\nodd,0\ngood,1\n", "test": "new,1\nold,0\n"}

    def digest() -> str:
        for name, content in rows.items():
            (tmp_path / f"{name}.csv").write_text(f"text,label\n{content}")
        return CurveData.load(str(tmp_path), split="test").digest

    found = {digest()}
    rows["train"] = rows["train"].replace("odd,0", "odd,1")
    found.add(digest())
    rows["test"] = rows["test"].replace("new", "newer")
    found.add(digest())
    assert len(found) == 3


def test_what_is_measured_is_no_part_of_training(data: Path, tmp_path: Path):
    held = CurveData.load(str(data))
    assert held.held_out
    assert (len(held.train), len(held.measured)) == (64, 16)
    assert held.where == "16 texts, 20% of each class of train, held out"
    assert set(held.train.texts).isdisjoint(held.measured.texts)
    assert np.bincount(held.part(10, 0).labels).tolist() == [5, 5]

    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text(f"text,label\ngood {name},1\nbad {name},0\nodd {name},0\n")
    tested = CurveData.load(str(tmp_path), split="test")
    assert (len(tested.train), len(tested.measured)) == (3, 3)  # nothing is held out for a split that is not measured
    assert tested.where == "3 texts, the test split"
    assert tested.digest != CurveData.load(str(tmp_path), split="validation").digest
    with pytest.raises(UserError, match="has no split 'test'"):
        CurveData.load(str(data), split="test")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_measured_texts_that_are_also_trained_on_are_warned_of(
    split: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for name, rows in (("train", 10), (split, 4)):
        texts = "".join(f"{GOOD.format(i)},good\n{BAD.format(i)},bad\n" for i in range(rows))
        (tmp_path / f"{name}.csv").write_text("text,label\n" + texts)
    CurveData.load(str(tmp_path), split=split)
    assert f"8 of the 8 {split} texts are also training texts" in caplog.text


def test_finished_trainings_are_kept(tmp_path: Path):
    path, of = tmp_path / "kept.jsonl", {"data": "abc", "options": {"budget": 60.0}}
    one, two = points((10, 0, 0.5), (10, 1, 0.625))
    kept = Kept(path, of)
    kept.add(one)
    kept.add(two)
    assert list(Kept(path, of).points.values()) == [one, two]
    assert json.loads(path.read_text().splitlines()[0]).items() >= {"labels": 10, "seed": 0, "accuracy": 0.5}.items()

    whole = path.read_bytes()
    path.write_bytes(whole + b'{"labels": 10, "se')  # killed while it was written
    again = Kept(path, of)
    assert list(again.points.values()) == [one, two]
    assert path.read_bytes() == whole
    for tail in (bytes(90), b'{"labels": 1' + bytes(9), b"no json"):  # after a power cut
        path.write_bytes(whole + tail)
        assert list(Kept(path, of).points.values()) == [one, two]
        assert path.read_bytes() == whole
    with pytest.raises(UserError, match="has trainings with other data; give the same as there"):
        Kept(path, of | {"data": "xyz"})
    with pytest.raises(UserError, match="has trainings with other options; give the same as there"):
        Kept(path, of | {"options": {}})
    forged = [whole.replace(b"0.5,", b"NaN,"), whole.replace(b"10,", b'"10",'), whole.replace(b"0.69,", b'"x",')]
    for wrong in (b"no json", bytes(90), b"[1]\n", b'{"labels": 1}\n', b"[" * 9999 + b"\n", *forged):
        path.write_bytes(wrong)
        with pytest.raises(UserError, match="line 1, is not a training of a curve; give another file"):
            Kept(path, of)
        assert path.read_bytes() == wrong


def test_a_finished_training_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = Kept(tmp_path / "kept.jsonl", {})
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    kept.add(points((10, 0, 0.5))[0])
    assert synced[0] == (tmp_path / "kept.jsonl").stat().st_size > 0


def test_the_table_has_means_and_spread():
    head, _, few, many = table(points((1000, 0, 0.8), (1000, 1, 0.9), (100, 0, 0.6), (100, 1, 0.7)))
    assert head == (
        "| labels | accuracy (lowest to highest) | macro-F1 | TF-IDF accuracy | TF-IDF macro-F1 | seconds |"
    )
    assert few == "| 100 | 0.650 (0.600 to 0.700) | 0.550 | 0.700 | 0.690 | 3 |"
    assert many.startswith("| 1,000 | 0.850 (0.800 to 0.900) | 0.750 |")


def test_the_table_of_an_interrupted_curve_has_the_numbers_of_seeds():
    head, _, few, many = table(points((100, 0, 0.6), (100, 1, 0.7), (1000, 0, 0.8)))
    assert head.startswith("| labels | seeds | accuracy")
    assert few.startswith("| 100 | 2 | 0.650")
    assert many.startswith("| 1,000 | 1 | 0.800")


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (
            [(100, 0, 0.7), (300, 0, 0.8), (100, 1, 0.72), (300, 1, 0.8)],
            "That is +5.7 for each doubling. Gains shrink: expect less from 600 labels.",
        ),
        ([(100, 0, 0.7), (300, 0, 0.8), (100, 1, 0.72), (300, 1, 0.71)], "That may be chance"),
        ([(100, 0, 0.7), (300, 0, 0.8)], "+10.0 points of accuracy (one seed only; ±3.1 for 1,000 texts measured)"),
        ([(100, 0, 0.999), (300, 0, 1.0)], "That may be chance"),
        ([(100, 0, 0.7)], "is seen from two sizes on"),
        ([(100, 0, 0.7), (300, 1, 0.8)], "is seen from two sizes of one seed on"),
    ],
)
def test_the_outlook_is_sober(figures: list[tuple[int, int, float]], said: str):
    assert said in outlook(points(*figures), 1000)


def test_the_command_goes_on_where_it_was_stopped(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    trained, real = [], module.train

    def train(task, options, folder, **given):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append((len(given["data"].splits["train"]) + len(given["data"].splits["validation"]), options.training))
        return real(task, options, folder, **given)

    monkeypatch.setattr(module, "train", train)
    kept = str(tmp_path / "kept.jsonl")
    words = ["curve", "--data", str(data), "--seeds", "2", "--json", kept, *TINY, "--seed", "5", "--no-baseline"]
    assert main([*words, "--sizes", "all,12,900"]) == 130
    said = capsys.readouterr()
    assert "900 labels are left out" in said.err
    assert f"stopped; finished trainings: 3; they are in {kept}, and the same command continues" in said.err
    assert said.out.count("\n") == 6  # what is finished is not lost
    assert [(size, training.seed) for size, training in trained] == [(12, 5), (12, 6), (64, 5)]
    assert trained[0][1].steps == 2
    assert "step 2: validation" not in said.err

    assert main([*words, "--sizes", "all", "--seed", "6"]) == 130  # of other sizes and seeds nothing is told
    said = capsys.readouterr()
    assert "stopped; finished trainings: 0" in said.err
    assert said.out == ""

    del trained[:]
    assert main([*words, "--sizes", "12,all"]) == 0
    assert [(size, training.seed) for size, training in trained] == [(64, 6)]
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == "| labels | accuracy (lowest to highest) | macro-F1 | seconds |"
    assert lines[2].startswith("| 12 | ")
    assert lines[-1].startswith("Measured on 16 texts, 20% of each class of train, held out. 5.33 times the labels, ")
    assert len(Path(kept).read_text().splitlines()) == 4


def test_a_training_is_as_with_so_few_texts(data: Path, capsys: pytest.CaptureFixture):
    """It has no validation split, so it may be cross-validated."""
    words = ["curve", "--data", str(data), "--sizes", "all", "--seeds", "1", "--no-baseline", *TINY]
    assert main([*words, "--folds", "3", "--linear"]) == 0
    assert "| 64 |" in capsys.readouterr().out


def test_the_command_puts_the_baselines_beside(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    kept = tmp_path / "kept.jsonl"
    words = ["curve", "--data", str(data), "--sizes", "all", "--seeds", "2", "--json", str(kept), *TINY]
    assert main([*words, "--no-baseline"]) == 0
    assert main(words) == 0  # trains nothing again
    seconds = [json.loads(line)["seconds"] for line in kept.read_text().splitlines()]
    assert seconds[:2] == seconds[2:]
    row = capsys.readouterr().out.splitlines()[-3]
    assert "| 1.000 | 1.000 | 1.000 | 1.000 |" in row
    words[words.index("--json") + 1] = "-"
    assert main([*words, "--no-baseline"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(p["labels"], p["seed"]) for p in found] == [(64, 0), (64, 1)]
    assert found[0]["options"]["hidden_size"] == 4


def test_the_curve_is_drawn(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures are drawn")
    from rnnnlp.analysis.plots import draw_learning_curve, save

    found = points((100, 0, 0.6), (100, 1, 0.7), (1000, 0, 0.8), (1000, 1, 0.9))
    figure = draw_learning_curve(found, where="872 texts, the validation split")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "1,000"]
    lines = {line.get_label(): line.get_ydata().tolist() for line in axes.lines}
    assert lines["rnnnlp"] == pytest.approx([0.65, 0.85])
    assert lines["TF-IDF"] == pytest.approx([0.7, 0.7])
    save(figure, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 10_000


def test_the_command_measures_on_the_test_split_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: no pictures are drawn")
    for name, number in (("train", 20), ("test", 3)):
        rows = "".join(f"{GOOD.format(i)},good\n{BAD.format(i)},bad\n" for i in range(number))
        (tmp_path / f"{name}.csv").write_text("text,label\n" + rows)
    words = ["curve", "--data", str(tmp_path), "--sizes", "20,all", "--seeds", "1", "--no-baseline", *TINY]
    assert main([*words, "--split", "test", "--out", str(tmp_path / "curve.svg")]) == 0
    assert "Measured on 6 texts, the test split." in capsys.readouterr().out
    assert (tmp_path / "curve.svg").stat().st_size > 10_000


def test_texts_without_a_label_are_there_for_pretraining(tmp_path: Path):
    for label, number in (("neg", 10), ("pos", 10), ("unsup", 1)):
        (tmp_path / label).mkdir()
        for i in range(number):
            (tmp_path / label / f"{i}.txt").write_text(f"{label} {i}")
    assert list(CurveData.load(str(tmp_path)).loaded.unlabelled) == ["unsup 0"]
