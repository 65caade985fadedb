"""The script that makes the bundled models, from end to end with very little."""

import json
import random
import re
from pathlib import Path

import pytest
import train_bundled_models as script
from bundling.jobs import Job, left_out_of
from bundling.models import CHINESE, ENGLISH, LABELS
from bundling.texts import SHORT, in_treebank_style, joined, write_texts

from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training.model_folder import read_config

pyarrow = pytest.importorskip("pyarrow")
CATEGORIES = ("书籍", "酒店", "水果")
TINY = "--vocab-size 300 --embedding-size 3 --hidden-size 2 --budget 1s --threads 1".split()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up rows in the files of the public sets."""
    folder = tmp_path_factory.mktemp("data")
    reviews = ["It wasn't good. I slept. It is a bad film!", "What a film.<br /><br />I loved it (twice). Great fun!"]
    sets = {
        "imdb/train-00000": [{"text": f"{reviews[k % 2]} {k}", "label": k % 2} for k in range(60)],
        "imdb/unsupervised-00000": [{"text": f"I saw it {k}.", "label": -1} for k in range(20)],
        "imdb/test-00000": [{"text": reviews[k], "label": k} for k in range(2)],
    }
    for name in ("sst2_phrases/train", "sst2/train", "sst2/validation", "sst2/test"):
        sets[name] = [{"sentence": f"{('bad', 'good')[k % 2]} film ", "label": k % 2} for k in range(20)]
    for split in ("train", "validation", "test"):
        sets[f"online_shopping_10_cats/{split}"] = [
            {"text": f"\ufeff{('很差', '很好')[k % 2]}{k}", "label": k % 2, "cat": CATEGORIES[k % 3]} for k in range(60)
        ]
    import pyarrow.parquet

    for name, rows in sets.items():
        path = folder / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return folder


def make(data: Path, tmp_path: Path, *words: str) -> int:
    places = ["--data-folder", str(data), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "models")]
    return script.main([*words, *places, *TINY])


def texts_of(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_both_models_from_end_to_end(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    assert make(data, tmp_path, "--split", "test") == 0
    models = json.loads((tmp_path / "models" / "index.json").read_bytes())
    assert [model["name"] for model in models] == ["reviews-en", "reviews-zh"]
    for model in models:
        folder = tmp_path / "models" / model["name"]
        assert model["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
        card = (folder / "README.md").read_text(encoding="utf-8")
        assert "## Known failures" in card
        assert "Licence: " in card
        assert str(tmp_path) not in card + (folder / "config.json").read_text()
    assert list(models[0]["figures"]) == ["IMDB test", "SST-2 test", "sample-reviews test"]
    capsys.readouterr()
    monkeypatch.setattr(script, "train_or_resume", None)
    (folder / "of an older version").touch()
    assert make(data, tmp_path, "--split", "test") == 0  # nothing is trained again
    made = tmp_path / "work" / folder.name / "model"
    assert {path.name for path in folder.iterdir()} == {path.name for path in made.iterdir()}
    assert "pretrain" not in capsys.readouterr().err
    assert make(data, tmp_path, "--split", "test", "--seed", "1") == 2
    assert "was begun with " in capsys.readouterr().err


def test_what_is_left_out_is_not_seen(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert make(data, tmp_path, "reviews-zh", "--leave-out-categories", "书籍, 酒店") == 0
    assert not (tmp_path / "models").exists()
    work = tmp_path / "work" / "reviews-zh-without-书籍-without-酒店"
    shown = {text.strip("\ufeff") for text in texts_of(work / "pretraining.jsonl")}
    assert "很好5" in shown
    assert not {"很差0", "很好1", "很差4"} & shown
    rows = [json.loads(line) for line in (work / "labelled" / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    plain = [row["text"] for row in rows if not row["joined"]]
    assert 3 / 4 < len(plain) / len(rows) < 1
    job = Job(CHINESE, script.parse(["--data-folder", str(data)]), work)
    network = SentimentNetwork.from_pretrained(work / "classifier")
    assert script.encoded(job, network, "train")[0] == plain
    assert read_config(work / "classifier")["training"]["adversarial"] == CHINESE.adversarial > ENGLISH.adversarial
    card = (work / "model" / "README.md").read_text(encoding="utf-8")
    assert "two or three short ones of the same label, joined" in card
    assert "Left out: 书籍, 酒店." in card
    assert "| online_shopping_10_cats validation, 书籍 | out | 20 |" in card


def test_an_unknown_category_is_not_left_out(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert make(data, tmp_path, "reviews-zh", "--leave-out-categories", "酒店,fruit") == 2
    assert "--leave-out-categories has 'fruit'; there are 书籍, 水果, 酒店" in capsys.readouterr().err


def test_short_texts_of_a_label_are_joined():
    rows = [{"text": f"{('bad', 'good')[k % 2]}{k}", "label": LABELS[k % 2]} for k in range(20)]
    rows += [{"text": "x" * SHORT, "label": "positive"}] * 20
    found = list(joined(rows, 0.25, random.Random(0)))
    assert [row["label"] for row in found] == ["negative"] * 5 + ["positive"] * 5
    for row in found:
        parts = re.findall(r"(bad|good)\d+", row["text"])
        assert parts in (["bad"] * 2, ["bad"] * 3, ["good"] * 2, ["good"] * 3)
        assert (parts[0] == "good") == (row["label"] == "positive")
        assert row["joined"]
    assert list(joined(rows, 0.0, random.Random(0))) == []


def test_english_texts_without_the_treebank(data: Path, tmp_path: Path):
    words = ["reviews-en", "--leave-out", "sst2", "--data-folder", str(data), "--work", str(tmp_path), *TINY]
    job = Job(ENGLISH, script.parse(words), tmp_path)
    assert left_out_of(job.model, job.options) == ["sst2"]
    numbers = write_texts(job)
    train = texts_of(tmp_path / "labelled" / "train.jsonl")
    assert numbers["labelled/train"] == len(train)
    assert not any(text in ("bad film", "good film") for text in train)
    assert "Great fun! 3" in train or "Great fun ! 3" in train  # the end of a review
    assert not any("<br" in text for text in train)


def test_the_style_of_a_treebank(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bundling.texts.TREEBANK_SHARE", 1.0)
    styled = in_treebank_style("It wasn't (she's sure) bad, no!", random.Random(0))
    assert styled == "It was n't -lrb- she 's sure -rrb- bad , no !"


def test_mistakes(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert make(tmp_path / "nowhere", tmp_path, "reviews-zh") == 2
    assert "train.parquet is not a file; give --data-folder with" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        script.parse(["--data-folder", "x", "reviews-de"])
    for words in ("--leave-out sst2", "--leave-out sst2 reviews-zh", "--leave-out-categories A,B reviews-en"):
        with pytest.raises(SystemExit):
            script.parse(["--data-folder", "x", *words.split()])
        assert " only; name that model, and no other" in capsys.readouterr().err
