"""The models that are bundled with the library: their sizes, their list, and what they say of plain opinions."""

import json

import pytest

from rnnnlp import SentimentClassifier
from rnnnlp.cli.main import main
from rnnnlp.tasks.sentiment.bundled import bundled_models

MEGABYTE = 1_000_000
OPINIONS = {
    "reviews-en": {
        "positive": [
            "A wonderful film, I loved every minute of it.",
            "Great phone, excellent battery.",
            "Highly recommended!",
        ],
        "negative": [
            "Boring and far too long.",
            "It broke after two days, a waste of money.",
            "The worst hotel I know.",
        ],
    },
    "reviews-zh": {
        "positive": ["质量很好，非常喜欢，值得购买。", "酒店很干净，服务也不错，下次还会来。", "水果新鲜，很甜。"],
        "negative": ["质量太差了，用了两天就坏了。", "服务态度恶劣，再也不会来了。", "苹果都烂了，不能吃。"],
    },
}


def test_they_are_small() -> None:
    sizes = {name: model.bytes for name, model in bundled_models().items()}
    assert set(sizes) == set(OPINIONS)
    assert max(sizes.values()) <= 8 * MEGABYTE
    assert sum(sizes.values()) <= 14 * MEGABYTE


@pytest.mark.parametrize("name", OPINIONS)
def test_the_list_tells_what_is_there(name: str) -> None:
    model = bundled_models()[name]
    assert model.bytes == sum(path.stat().st_size for path in model.folder.iterdir())
    card = (model.folder / "README.md").read_text(encoding="utf-8")
    for words in ("## Data", "## Figures", "## Known failures", "Licence", model.use):
        assert words in card
    assert all(f"| {data} |" in card and f"{accuracy:.4f}" in card for data, accuracy in model.figures.items())


@pytest.mark.parametrize("name", OPINIONS)
def test_plain_opinions_are_judged_right(name: str) -> None:
    classifier = SentimentClassifier.from_pretrained(name)
    for label, texts in OPINIONS[name].items():
        assert classifier.predict(texts).tolist() == [label] * len(texts)


def test_predict_needs_no_run(capsys: pytest.CaptureFixture) -> None:
    texts = [texts[0] for of_model in OPINIONS.values() for texts in of_model.values()]
    assert main(["predict", *texts, "--json", "-"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [prediction["label"] for prediction in found] == ["positive", "negative"] * 2
    assert max(prediction["unknown_words"] for prediction in found) < 0.3
