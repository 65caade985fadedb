"""A folder with files of many kinds, right and wrong, and a small trained model of each kind."""

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np

from rnnnlp.cli.main import main
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.training.model_folder import read_config

TINY = "--hidden-size 4 --embedding-size 3 --steps 2 --batch-size 2 --bptt 8 --evaluations 1".split()

FILES = {
    "text.txt": "To be, or not to be, that is the question.\n" * 20,
    "short.txt": "abc",
    "brief.txt": "to be or not to be, that is the question, and so it is a b c",
    "blank/train.txt": "to be or not to be, " * 50,
    "blank/validation.txt": " \n ",
    "one.txt": "a",
    "noise.txt": "a" * 2000 + "".join(chr(33 + i * i % 6007 % 90) for i in range(4000)),
    "empty.txt": "",
    "one_class.csv": "text,label\ngood,1\nfine,1\n",
    "no_label.csv": "text,other\ngood,1\nfine,0\n",
    "other_label.csv": "text,label\ngood,wonderful\nbad,terrible\n",
    "good.csv": "text,label\n" + "a good film,good\na bad film,bad\n" * 20,
    "unlabelled.csv": "text,label\ngood,\nbad,\n",
    "strange_label.jsonl": '{"text": "good", "label": [0, 1]}\n',
    "quoted.csv": 'text,label\n"good" or not,1\n',
    "wide.csv": "text,label\ngood,bad,1\n",
    "empty.csv": "",
    "no.parquet": "no parquet",
    "empty.jsonl": "",
    "list.jsonl": "[1]\n",
    "no_json.jsonl": "good\n",
    "half.jsonl": '{"text": "\\ud83d", "label": 1}\n',
    "numbers.jsonl": '{"text": 3, "label": 1}\n',
    "mixed.jsonl": '{"text": "a", "label": 1}\n{"text": "b", "label": "good"}\n',
    "bad.toml": "hidden-size = ",
    "smooth.toml": "label-smoothing = 0.1\n",
    "soon.toml": 'budget = "soon"\n',
    "votes.toml": "votes = 9\n",
    "size.toml": 'hidden-size = "64"\n',
    "out.toml": "out = 5\n",
    "null.toml": 'out = "a\\u0000b"\n',
    "few.csv": "text,label\n" + "good,1\nbad,0\n" * 4,
    "lonely.csv": "text,label\ngood,good\nbad,bad\n",
    "unknown.toml": "hidden_sise = 3\n",
    "resume.toml": 'resume = "runs/lm"\n',
    "parts.toml": "a.b.c = 1\n",
    "senseless.toml": "hidden-size = 1" + "0" * 5000,
    "stranger/letter.txt": "not a run",
    "predicted/model.json": "{}",
    "named/model": "text,label\ngood,positive\n",
    "measured/test.csv": "text,label\ngood,positive\nbad,negative\n",
    "parts/one/train.csv": "text,label\ngood,1\n",
    "parts/two/train.csv": "text,label\ngood,1\n",
    "twice/train.csv": "text,label\ngood,1\n",
    "twice/train.jsonl": '{"text": "good", "label": 1}\n',
    "tuning/validation.csv": "text,label\ngood,positive\nbad,negative\n",
    "nested/train.csv/letter.txt": "not a table",
    "swallowed.tsv": 'text\tlabel\n"good\t1\nbad\nfine"\t1\n',
    "return.csv": "text,label\ngo\rod,1\n",
    "names/one.csv": "text\n",
    "names/two.csv": "text\n",
    "letter.pdf": "%PDF-1.7",
    "object.json": '{\n"data": []\n}\n',
    "cut.json": '[{"text": "good", "label": 1},\n',
    "both.csv": "text,label,stars\ngood,1,5\n",
    "same.csv": "text,label,label\ngood,1,5\n",
    "curve.jsonl": '{"labels": 9, "seed": 0, "accuracy": 1, "macro_f1": 1, "seconds": 1, "baselines": {}}\n',
}


def furnish(home: Path) -> None:
    """Puts files of many kinds into a folder, and a trained model of each kind."""
    for name, content in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    (home / "latin.txt").write_bytes(b"caf\xe9 au lait")
    (home / "cut.txt").write_bytes("na\u00efve caf\u00e9".encode()[:-1])
    (home / "tune.mid").write_bytes(b"MThd\0\0\0\6\0\1\0\1\xff\x90")
    (home / "cut.csv.gz").write_bytes(gzip.compress(b"text,label\ngood,1\n")[:-9])
    with zipfile.ZipFile(home / "two.zip", "w") as archive:
        archive.writestr("a.csv", "text,label\n")
        archive.writestr("b.csv", "text,label\n")
    (home / "long.csv").write_text("text,label\n" + "a" * (17 << 20) + ",1\n")
    (home / "hollow").mkdir()
    (home / "folder.csv").mkdir()
    write_parquet(home / "schema.parquet", ["bad", "good"], 2)
    write_parquet(home / "odd_schema.parquet", ["ba\nd", "good"], 1)
    write_parquet(home / "schemas" / "train-0.parquet", ["bad", "good"], 1)
    write_parquet(home / "schemas" / "train-1.parquet", ["good", "bad"], 1)
    text = ["--data", str(home / "text.txt")]
    for words in (
        ["train", "charlm", *text, "--out", str(home / "lm"), *TINY],
        ["train", "sentiment", "--data", "sample-reviews", "--out", str(home / "reviews"), *TINY],
        ["pretrain", *text, "--samples", "9", "--out", str(home / "words"), *TINY],
        ["train", "sentiment", "--data", str(home / "good.csv"), "--out", str(home / "good"), *TINY],
        ["train", "sentiment", "--data", "sample-reviews", "--seed", "1", "--out", str(home / "other"), *TINY],
    ):
        assert main(words) == 0
    Ensemble(
        [SentimentNetwork.from_pretrained(home / name) for name in ("reviews", "other")], np.array([0.5, 1.5])
    ).save_pretrained(home / "ensemble", training={"runs": ["reviews", "other"], "data": "sample-reviews"})
    mute = SentimentNetwork.from_pretrained(home / "other")
    for parameter in mute.parameters().values():
        parameter.value[...] = 0
    training = read_config(home / "other")["training"]
    mute.save_pretrained(home / "mute", training=training)
    SentimentNetwork.from_pretrained(home / "other").save_pretrained(home / "silent")
    SentimentNetwork.from_pretrained(home / "other").save_pretrained(home / "small", quantize="int8")
    CharLMNetwork.from_pretrained(home / "lm").save_pretrained(home / "bare")  # does not say what it was trained on


def write_parquet(path: Path, class_names: list[str], label: int) -> None:
    """A row with this label, in a table whose schema names the classes as `datasets` does."""
    import pyarrow
    import pyarrow.parquet

    path.parent.mkdir(exist_ok=True)
    features = {"label": {"names": class_names, "_type": "ClassLabel"}}
    table = pyarrow.table({"text": ["good"], "label": [label]})
    schema = json.dumps({"info": {"features": features}})
    pyarrow.parquet.write_table(table.replace_schema_metadata({"huggingface": schema}), path)
