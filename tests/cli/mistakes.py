"""Mistakes of users, and the one line that each of them ends in. `test_errors.py` makes them all."""

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
LITTLE = "--hidden-size 4 --batch-size 1 --bptt 8 --warmup 0"

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
    "parts.toml": "a.b.c = 1\n",
    "senseless.toml": "hidden-size = 1" + "0" * 5000,
    "stranger/letter.txt": "not a run",
    "predicted/model.json": "{}",
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


# What was done, and what the one line says. Each is a mistake of the user: exit code 2.
MISTAKES = {
    "serve --host 0.0.0.0": "--host is 0.0.0.0, which other machines reach; give --token too, or set RNNNLP_TOKEN",
    "serve --token secret": "--token has 6 characters or others than letters, digits and signs; it must have",
    "serve --port 70000": "--port is 70000; it must be at least 0 and at most 65535",
    # Options that no command has, or that have no such value.
    "": "the following arguments are required: COMMAND; 'rnnnlp --help' lists the options",
    "train charlm --data (texts)": "the texts were given in Python and are not kept; give --data that can be read",
    "nonsense": "invalid choice: 'nonsense' (choose from ... ; 'rnnnlp --help' lists the options",
    "train": "the following arguments are required: charlm|sentiment; 'rnnnlp train --help' lists",
    "generate": "the following arguments are required: RUN; 'rnnnlp generate --help' lists",
    "train charlm --data": "--data: expected one argument; 'rnnnlp train charlm --help' lists",
    "train charlm --data {home}/text.txt --out=": "--out is empty; give the name of a new folder",
    "train charlm --hidden-sise 3": "--hidden-sise 3: there is no such option; 'rnnnlp train charlm --help' lists",
    "train charlm --hidden-size many": "--hidden-size: invalid int value: 'many'; 'rnnnlp train charlm --help' lists",
    "train charlm --budget soon": "'soon' is not a duration; write it as 90s, 10m, 1.5h or 1h30m",
    "train sentiment --lr-decay fast": "--lr-decay: invalid float value: 'fast'; 'rnnnlp train sentiment --help'",
    "pretrain --samples few": "--samples: invalid int value: 'few'; 'rnnnlp pretrain --help' lists",
    "evaluate {home}/lm --weights first": (
        "--weights: invalid choice: 'first' (choose from ... ; 'rnnnlp evaluate --help' lists"
    ),
    "plot {home}/lm --x place": "--x: invalid choice: 'place' (choose from ... ; 'rnnnlp plot --help' lists",
    # Names of version 0.1.
    "combine {home}/reviews {home}/other --out {home}/new": "the command combine is now ensemble; use that name",
    "train sentiment --data sample-reviews --votes 9": "--votes is now --ngram-buckets; use that name",
    "train sentiment --data sample-reviews --config {home}/votes.toml": "--votes is now --ngram-buckets; use that name",
    # Training.
    "train charlm": "--data is missing",
    "train charlm --data {home}/nothing.txt": "nothing.txt': no such file or folder; expected a path",
    "train charlm --data {home}/empty.txt": "empty.txt has 0 characters in train: too few for a train split; give",
    "train charlm --data {home}/brief.txt": "give more text or a smaller --bptt",
    "train charlm --data {home}/short.txt": "the validation split has 1 tokens; to predict one from another it must",
    "train charlm --data {home}/blank --tokenizer word": "the validation split has 0 tokens; to predict one from",
    "train charlm --data {home}/latin.txt": "byte 3 is not valid UTF-8",
    "train charlm --data {home}/text.txt --hidden-size 0": "--hidden-size is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --dropout 1.5": "--dropout is 1.5; it must be at least 0 and below 1",
    "train charlm --data {home}/text.txt --cell lstn": "--cell is lstn; it must be one of lstm, lstm_rms_norm, gru",
    "train charlm --data {home}/text.txt --hidden-size 10000000": "--hidden-size is 10000000; it must be smaller",
    "train sentiment --data sample-reviews --num-layers 101": (
        "--num-layers is 101; it must be at least 1 and at most 100"
    ),
    "train charlm --data {home}/text.txt --config {home}/null.toml": "which has a null character; give another name",
    "train charlm --data {home}/text.txt --tokenizer bpe --vocab-size 9007199254740992": (
        "--vocab-size is 9007199254740992; it must be at least 1 and at most 4194304"
    ),
    "generate {home}/lm --samples 9223372036854775808": "--samples is larger than any number that makes sense; it must",
    "plot --gradients --json - --scale inf": "--scale is inf; it must be finite",
    "train charlm --data {home}/text.txt --config {home}/senseless.toml": "senseless.toml is not valid TOML",
    "train charlm --data {home}/text.txt --config {home}/parts.toml": "parts.toml is too long, or has a key of many",
    "train charlm --data {home}/text.txt --on-divergence go": "--on-divergence is go; it must be one of stop, rollback",
    "train charlm --data {home}/text.txt --optimizer sgd --max-norm 0 --lr 1e38 --steps 9": (
        "at learning rate 9.79e+37; try a smaller --lr"
    ),
    "train charlm --data {home}/text.txt --keep-checkpoints 0": "--keep-checkpoints is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --shuffle-blocks -1": "--shuffle-blocks is -1; it must be at least 0",
    "train charlm --data {home}/text.txt --document-separator \\x": r"--document-separator is \x; write a backslash as",
    "train charlm --data {home}/text.txt --lr 0": "--lr is 0.0; it must be above 0",
    "train charlm --data {home}/text.txt --lr nan": "--lr is nan; it must be finite",
    "train charlm --data {home}/text.txt --report-to aim": "--report-to is aim; it must be none, or one or more of",
    "train charlm --data {home}/text.txt --backend gpu": "--backend is gpu; it must be one of auto, numpy",
    "train charlm --data {home}/text.txt --epochs 1 --steps 3": "--epochs, --steps and --budget exclude one another",
    "train charlm --data {home}/text.txt --tied-weights --hidden-size 8 --embedding-size 4": (
        "--tied-weights is True; it must be false unless"
    ),
    "train charlm --data {home}/text.txt --out {home}/lm": (
        "--out {home}/lm already holds a run; give --overwrite to replace it, or --resume to continue it"
    ),
    "train charlm --data {home}/text.txt --out {home}/stranger": "not empty and not a run",
    "train charlm --data {home}/text.txt --out {home}/text.txt": "is a file; give the name of a new folder",
    "train charlm --data {home}/text.txt --config {home}/none.toml": (
        "--config {home}/none.toml: No such file or directory; give the path of a TOML file"
    ),
    "train charlm --data {home}/text.txt --config {home}/bad.toml": "bad.toml is not valid TOML",
    "train charlm --data {home}/text.txt --config {home}/unknown.toml": "'hidden_sise' is not an option",
    "train charlm --data {home}/text.txt --lr 1e38 --max-norm 0 --bptt 8 --steps 9": (
        " at learning rate 9.79e+37; try a smaller --lr or --max-norm"
    ),
    "train sentiment --data sample-reviews --lr 1e38 --max-norm 0 --steps 9": "(largest in",
    "pretrain --data {home}/text.txt --samples 0": "--samples is 0; it must be at least 1 and at most 1048576",
    "pretrain --data {home}/text.txt --config {home}/smooth.toml": (
        "'label_smoothing' is not an option of this training; --help"
    ),
    "pretrain --data {home}/brief.txt": "give more text or a smaller --bptt",
    "pretrain --data {home}/blank": "the validation split has 0 tokens; to predict one from another it must have 2",
    "train sentiment --data sample-reviews --from {home}/nothing": "nothing is not a folder",
    "train sentiment --data sample-reviews --from {home}/ensemble": "holds a model of type ensemble; it must be a run",
    "train sentiment --data sample-reviews --from {home}/reviews --pooling last": "is mean+max; leave it out",
    "train sentiment --data sample-reviews --from {home}/words --vocab-size 3": "--vocab-size is 3, and that of --from",
    "train sentiment --data sample-reviews --from {home}/lm --vocab-size 999": "to which only words can be added; ",
    "train charlm --data {home}/text.txt --from {home}/reviews": "sentiment; one of type char_lm is needed here",
    "train charlm --data {home}/text.txt --from {home}/lm --preset tiny": "--preset is tiny, and that of",
    "pretrain --data {home}/text.txt --from {home}/words --hidden-size 3": "--hidden-size is 3, and that of --from",
    "train charlm --data {home}/text.txt --budget +10m": "--budget +10m adds to a run: give --resume RUN; for a new",
    "train sentiment --data sample-reviews --from {home}/words --hidden-size 3": "--hidden-size is 3, and that of",
    "train sentiment --data sample-reviews --from {home}/words --tokenizer bpe": "--tokenizer is bpe, and that of",
    "train sentiment --data sample-reviews --lr-decay -1": "--lr-decay is -1.0; it must be at least 0 and at most 1",
    "evaluate {home}/words --dynamic": "--dynamic means nothing for models of type word_lm, as {home}/words is",
    "evaluate {home}/words --mistakes 2": "--mistakes means nothing for models of type ",
    "predict {home}/words text": "holds a model of type word_lm; a classifier is needed here",
    "generate {home}/words": "holds a model of type word_lm; one of type char_lm is needed here",
    "pretrain --resume {home}/lm": "holds a model of type char_lm; one of type word_lm is needed here",
    "train charlm --resume {home}/stranger": "no checkpoint to resume from",
    "status {home}/stranger": "config.json is missing; the folder does not hold a (complete) model: give another one",
    "status {home}/nothing": "nothing is not a folder",
    "train charlm --resume {home}/nothing": "nothing is not a folder",
    "train charlm --resume {home}/reviews": "holds a model of type sentiment; one of type char_lm is needed here",
    "train charlm --resume {home}/lm --lr 1": "--lr cannot change when {home}/lm is resumed, only --data, ",
    "train charlm --resume {home}/lm --steps 1": "--steps is 1, and {home}/lm has already had 2 steps in ",
    "train charlm --resume {home}/lm --budget +soon": "--budget 'soon' is not a duration; write it as 90s, 10m",
    "train charlm --resume {home}/lm --data {home}/noise.txt": "noise.txt is not what",
    "train sentiment --data {home}/one_class.csv": "only the label",
    "train sentiment --data {home}/no_label.csv": (
        "has none of the usual columns label, labels, ... ; its columns are text, other: name one with --label-column"
    ),
    "train sentiment --data {home}/no_label.csv --label-column sentiment": (
        "has no column 'sentiment'; its columns are text, other: name one of them with --label-column"
    ),
    "train sentiment --data sample-reviews --class-weights 2": "--class-weights is 2; it must be one of none, balanced",
    "train sentiment --data sample-reviews --pooling sum": "--pooling is sum; it must be one of last, mean",
    "generate {home}/lm --temperature -1": "--temperature is -1.0; it must be at least 0",
    "generate {home}/lm --top-p 0": "--top-p is 0.0; it must be above 0",
    "generate {home}/lm --samples 0": "--samples is 0; it must be at least 1",
    "generate {home}/lm --samples 2 --out {home}/new.txt": "--samples is 2 beside --out; it must be 1",
    "generate {home}/lm --out {home}/none/new.txt": "--out {home}/none/new.txt cannot be written (No such file",
    "generate {home}/lm --seed -1": "--seed is -1; it must be at least 0",
    "generate {home}/reviews": "holds a model of type sentiment; one of type char_lm is needed here",
    "generate {home}/nothing": "is not a folder",
    "generate {home}/stranger": "config.json is missing; the folder does not hold a (complete) model: give another one",
    "evaluate {home}/lm --split test": "has no split 'test'",
    "evaluate {home}/reviews --data {home}/other_label.csv --split train": (
        "labels that the model does not know, 'terrible', 'wonderful'; it knows 'negative', 'positive': rename them in"
    ),
    "evaluate {home}/reviews --split test --json {home}/none/out.json": (
        "--json {home}/none/out.json cannot be written (No"
    ),
    "evaluate {home}/reviews --split test --dynamic": "--dynamic means nothing for models of type sentiment, as",
    "evaluate {home}/reviews --mistakes -1": "--mistakes is -1; it must be at least 0",
    "evaluate {home}/lm --mistakes 3": "--mistakes means nothing for models of type ",
    "evaluate {home}/lm --threshold good": "--threshold means nothing for models of type char_lm",
    "evaluate {home}/reviews --threshold nice": "--threshold has the label 'nice'; it must be one of",
    "evaluate {home}/reviews --threshold nice=0.5": "--threshold has the label 'nice'; it must be one of",
    "evaluate {home}/reviews --threshold positive=2": "--threshold is 'positive=2'; it must be LABEL=P with P from",
    "predict {home}/reviews text --threshold positive": "--threshold is 'positive'; it must be LABEL=P with P from",
    "evaluate {home}/lm --baseline": "--baseline means nothing for models of type ",
    "evaluate {home}/lm --dynamic-lr 0.1": "without --dynamic",
    "evaluate {home}/lm --dynamic --dynamic-lr -1": "--dynamic-lr is -1.0; it must be at least 0 and finite",
    "evaluate {home}/reviews --split test --threads 0": "--threads is 0; it must be at least 1",
    "predict {home}/lm text": "holds a model of type char_lm; a classifier is needed here",
    "predict {home}/reviews text --file {home}/text.txt": "texts and --file are both given; give one of them",
    "predict {home}/reviews --file {home}/none.txt": "none.txt: no such file; expected a file of texts, or",
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
    "train charlm --data {home}/text.txt --tokenizer bpe --vocab-size 5": "vocab_size is 5; it must be at least 256",
    "train charlm --data {home}/quoted.csv": "its quotation marks are not as in a csv file: every line has 2 fields",
    "train charlm --data {home}/swallowed.tsv": "line 2: a quoted field seems to swallow lines that are rows; if its",
    "train charlm --data {home}/cut.txt": "byte 10 begins a character that is cut off; copy the file again",
    "train charlm --data {home}/latin.txt --encoding utf-16": "does not begin with the byte order mark of utf-16; give",
    "train charlm --data {home}/latin.txt --encoding shift-jis": "byte 3 is not valid SHIFT-JIS (illegal multibyte",
    "train charlm --data {home}/text.txt --encoding klingon": "--encoding is klingon; it must be an encoding that",
    "train charlm --data {home}/text.txt --quoting some": "--quoting is some; it must be one of auto, csv, none",
    "train charlm --data {home}/tune.mid": "tune.mid is a binary file; expected text: a character model takes",
    "train charlm --data {home}/return.csv": "line 2: a carriage return is in a field without quotes; quote the field",
    "train charlm --data {home}/names": "names has one.csv, two.csv, not named after the splits (train, validation,",
    "train charlm --data {home}/letter.pdf": "letter.pdf is a PDF document; expected text or a table: copy its text",
    "train sentiment --data {home}/cut.csv.gz": "cut.csv.gz cannot be unpacked (it ends in the middle of a stream",
    "train sentiment --data {home}/two.zip": "two.zip is a zip archive of 2 files (a.csv, b.csv); expected one: unpack",
    "train sentiment --data {home}/object.json": "object.json is one JSON object with the keys 'data'; expected an",
    "train sentiment --data {home}/cut.json": "cut.json: its array of 1 objects is damaged; expected a ] at its end",
    "train sentiment --data {home}/both.csv": "both.csv has the columns label and stars, which fit equally; name",
    "train sentiment --data {home}/same.csv": "same.csv has 2 columns named label; rename the others",
    "train charlm --data https://example.org/book.txt": "book.txt is a URL, which is not read; download it first, and",
    "train charlm --data file:///data/book.txt": "file:///data/book.txt is a URL; expected a path: give /data/book.txt",
    "train charlm --data {home}/no.parquet": "no.parquet cannot be read as parquet",
    "train sentiment --data {home}/list.jsonl": "item 1: int, expected an object; write one per line, with",
    "train sentiment --data {home}/mixed.jsonl": "mixes kinds of labels (1, 'good'); use only names",
    "train sentiment --data {home}/text.txt": "is plain text; for labels give csv, tsv, jsonl, parquet",
    "train sentiment --data sample-reviews --max-length 0": "--max-length is 0; it must be at least 1",
    "train charlm --data {home}/none*.txt": "matches no file; check the pattern",
    "train charlm --data {home}/hollow": "holds no data; expected split files",
    "train charlm --resume {home}/lm --out {home}/x": "--resume continues the run in its own folder; leave out --out",
    "generate {home}/lm --top-k -1": "--top-k is -1; it must be at least 0",
    "generate {home}/lm --length -1": "--length is -1; it must be at least 0",
    "generate {home}/lm --repetition-penalty 0": "--repetition-penalty is 0.0; it must be above 0",
    "generate {home}/lm --repetition-window 0": "--repetition-window is 0; it must be at least 1",
    "evaluate {home}/reviews --data {home}/nothing.csv": "nothing.csv': no such file or folder; expected",
    "predict {home}/reviews text --json {home}/none/out.json": "--json {home}/none/out.json cannot be written (No such",
    "train charlm --data {home}/text.txt --preset giant": "--preset is giant; it must be one of auto, tiny, small",
    "train charlm --data {home}/text.txt --weight-drop 1": "--weight-drop is 1.0; it must be at least 0 and below 1",
    "train charlm --data {home}/text.txt --min-frequency -1": "--min-frequency is -1; it must be at least 0",
    "train charlm --data {home}/text.txt --vocab-size 0": "--vocab-size is 0; it must be at least 1",
    "train sentiment --data sample-reviews --crop 0": "--crop is 0; it must be at least 1",
    "train sentiment --data sample-reviews --folds 1": "--folds is 1; it must be 0, or at least 2",
    "train sentiment --data sample-reviews --ngram-buckets -1": "--ngram-buckets is -1; it must be at least 0",
    "train sentiment --data sample-reviews --virtual-adversarial -1": "--virtual-adversarial is -1.0; it must be at",
    "train sentiment --data {home}/few.csv --pretraining 2 --steps 3": "few.csv has 6 tokens; to pretrain",
    "train sentiment --data sample-reviews --pretraining -1": "--pretraining is -1; it must be at least 0",
    "train sentiment --data sample-reviews --pretraining 2 --from {home}/words": "--pretraining is 2; it must be 0, or",
    "train sentiment --data sample-reviews --adversarial -1": "--adversarial is -1.0; it must be at least 0",
    "train sentiment --data sample-reviews --max-epochs 0": "--max-epochs is 0; it must be at least 1",
    "train sentiment --data sample-reviews --max-epochs 2 --steps 3": "--max-epochs is 2, which limits a --budget;",
    "train charlm --data {home}/text.txt --config {home}/size.toml": "--hidden-size is '64'; it must be int",
    "train charlm --data {home}/text.txt --config {home}/out.toml": "--out is 5; it must be str",
    "train sentiment --data {home}/lonely.csv": "lonely.csv: there is no text to validate on; give two or",
    "train sentiment --data sample-reviews --from {home}/lm --bidirectional": "lm reads in one direction only",
    "train sentiment --data sample-reviews --ngram-buckets 900000000000": (
        "; it must be smaller, or --embedding-size or --num-layers or --ngram-buckets"
    ),
    "evaluate {home}/lm --label-column mark": "--label-column means nothing for models of type char_lm, as",
    "predict {home}/reviews text --text-column mark": "--text-column is mark, and the texts are given; leave it out",
    "predict {home}/reviews --file {home}/text.txt --text-column mark": "text.txt is no table; leave it out",
    "predict {home}/reviews --file {home}/text.txt --uncertain 0": "--uncertain is 0; it must be at least 1",
    "predict {home}/reviews text --uncertain 3 --explain": "--explain means nothing beside --uncertain; leave it out",
    "predict {home}/reviews text --out {home}/new.csv": "--out means nothing without --uncertain; leave it out",
    "train charlm --data {home}/text.txt --shards 0": "--shards is 0; it must be at least 1 and at most 4096",
    "train charlm --data {home}/text.txt --wire float16": "--wire is float16; it must be one of float32, bf16",
    "train charlm --data {home}/text.txt --sync-every 8": (
        "--sync-every is 8, which means nothing for a batch of one shard; start several processes, or give --shards"
    ),
    "predict {home}/reviews --part 1/2": "--part is 1/2 without --files; give both",
    "predict {home}/reviews --files {home}/good.csv": "--files needs a folder for the outputs; give --out",
    "predict {home}/reviews --files {home}/good.csv --out {home}/of --json -": (
        "--json means nothing beside --files; leave it out"
    ),
    "predict {home}/reviews text --files {home}/good.csv --out {home}/of": (
        "--files needs a model, and no texts; give one"
    ),
    "predict {home}/reviews --files {home}/nothing*.csv --out {home}/of": (
        "--files {home}/nothing*.csv: there is no such file; give files"
    ),
    "predict {home}/reviews --files {home}/good.csv --out {home}/of --part 3/2": (
        "--part is 3/2; it must be K/N with K from 1 to N"
    ),
    "predict {home}/reviews --files {home}/parts/*/train.csv --out {home}/of": "--files: two files have one name",
    "predict {home}/reviews --files {home}/good.csv --out {home}/predicted": (
        "--out {home}/predicted has outputs of another model or of other options; give another folder"
    ),
    "evaluate {home}/reviews --out {home}/of": "--out means nothing without --files; leave it out",
    "predict {home}/reviews --file {home}/good.csv --uncertain 3": (
        "good.csv: every row has a label in column 'label'; add rows without one, or name another column with"
    ),
    "curve --data {home}/good.csv --sizes 10,ten": "--sizes has 'ten'; it must be numbers of texts or all, such as",
    "curve --data {home}/good.csv --sizes 3,900": (
        "--sizes has no number from 4 (two texts of each class) to 32 (all training texts); give some, or all"
    ),
    "curve --data {home}/good.csv --seeds 0": "--seeds is 0; it must be from 1 to 1000",
    "curve --data {home}/lonely.csv": "lonely.csv has too few texts to measure on; give more of each class",
    "curve --data {home}/good.csv --sizes 9 --json {home}/list.jsonl": (
        "list.jsonl, line 1, is no training of a curve; give another file"
    ),
    "curve --data {home}/good.csv --sizes 9 --json {home}/hollow/no/curve.jsonl": (
        "hollow/no/curve.jsonl cannot be written (No such file or directory); give another path"
    ),
    "curve --data {home}/good.csv --sizes 9 --json {home}/curve.jsonl": (
        "curve.jsonl has trainings with other data; give the same as there, or another file"
    ),
    # Data.
    "train charlm --data {home}/text.txt --config {home}/soon.toml": "--budget 'soon'",
    "train charlm --data {home}/text.txt --out {home}/text.txt/run": "cannot be made (Not a directory); give another",
    "train charlm --data {home}/measured": "has no split 'train'; it has test",
    "train charlm --data ~nobody-here/text.txt": "cannot read ~nobody-here/text.txt (Could not determine home",
    "train charlm --data {home}/folder.csv/*": "matches no file; check the pattern",
    "train sentiment --data {home}/measured": "has no split 'train'; it has test",
    "train sentiment --data {home}/unlabelled.csv": "has no labelled texts in train; expected one per row",
    "train sentiment --data {home}/strange_label.jsonl": "has the label '[0, 1]'; it is 2 values, and a text",
    "train sentiment --data {home}/schema.parquet": "has the label 2, but its schema knows only bad, good; mend",
    "train sentiment --data {home}/schemas": "name different classes (bad, good; good, bad); they must agree",
    "train sentiment --data {home}/parts": "has data in several sub-folders (one, two); name one of them",
    "train sentiment --data {home}/twice": "twice/train.jsonl are one split in several formats; keep one, or",
    "train sentiment --data {home}/nested": "letter.txt is plain text; for labels give csv, tsv, jsonl, parquet",
    "train sentiment --data {home}/numbers.jsonl": "row 1: column 'text' holds int, expected text; name another",
    "train sentiment --data {home}/long.csv": "has a line of more than 16,777,216 characters; expected one row per",
    "train sentiment --data {home}/empty.csv": "is empty; expected a header line with the names of the columns",
    "train sentiment --data {home}/wide.csv": "line 2: 3 fields, expected 2 as in the header (separated by commas);",
    "train sentiment --data {home}/empty.jsonl": "is empty; expected one JSON object per line",
    "train sentiment --data {home}/half.jsonl": "line 1: an escape stands for half a character ('\\ud83d'); write",
    "train sentiment --data {home}/no_json.jsonl": "line 1: not JSON (Expecting value",
    "train sentiment --data sample-reviews --pooling mean --lr-decay 2": (
        "--lr-decay is 2.0; it must be at least 0 and at most 1"
    ),
    f"train charlm --data {{home}}/noise.txt --steps 400 {LITTLE}": " for 50 steps, after a mean of ",
    f"train charlm --data {{home}}/text.txt --steps 9 --lr 1e30 --weight-decay 1e30 --checkpoint-every 1 {LITTLE}": (
        "has weights that are not finite"
    ),
    # Models.
    "evaluate {home}/bare": "bare does not say what it was trained on; give --data",
    "evaluate {home}/bare --data {home}/text.txt --dynamic": "does not say what it was trained on; leave out --dynamic",
    "evaluate {home}/lm --data {home}/one.txt": "the split has 1 tokens; to predict one from",
    "evaluate {home}/lm --data {home}/one.txt --dynamic": "the split has 1 tokens; to predict one from",
    "evaluate {home}/words --data {home}/one.txt": "the split has 1 tokens; to predict one from",
    "evaluate {home}/lm --dynamic --dynamic-lr 1e38": "it must be finite: give a smaller --dynamic-lr",
    "evaluate {home}/reviews --data {home}/measured --split train": "has no split 'train'; it has test",
    "evaluate {home}/reviews --data sample-reviews --data {home}/nothing.csv": "nothing.csv': no such file or folder",
    "evaluate {home}/lm --data {home}/text.txt --data {home}/measured --split train": "has no split 'train'; it has",
    "evaluate {home}/words --baseline": "--baseline means nothing for models of type ",
    "evaluate {home}/stranger --weights last": "stranger has no checkpoint to resume from",
    "predict {home}/reviews --explain --json {home}/none/out.json text": (
        "--json {home}/none/out.json cannot be written (No such file"
    ),
    "predict {home}/lm --explain text": "holds a model of type char_lm; a classifier is needed here",
    "predict {home}/reviews \udcff": r"the text holds half a character ('\udcff'); expected whole Unicode characters",
    "predict {home}/reviews --file {home}/no_label.csv --text-column review": "has no column 'review'; its columns are",
    # Ensembles.
    "ensemble": "the following arguments are required: RUN, --out; 'rnnnlp ensemble --help' lists the options",
    "ensemble {home}/reviews --out {home}/new": "an ensemble of 1 runs makes no sense; it must be of at least 2",
    "ensemble {home}/reviews {home}/lm --out {home}/new": "holds a model of type char_lm; a classifier is needed here",
    "ensemble {home}/reviews {home}/nothing --out {home}/new": "nothing is not a folder",
    "ensemble {home}/reviews {home}/ensemble --out {home}/new": (
        "ensemble is an ensemble itself; give its members, {home}/ensemble/members/0 and so on, instead"
    ),
    "ensemble {home}/reviews {home}/good --out {home}/new": (
        "good has the labels bad, good and {home}/reviews has negative, positive; they must be the same in the same"
    ),
    "ensemble {home}/silent {home}/reviews --out {home}/new": "silent does not say what it was trained on; give --data",
    "ensemble {home}/mute {home}/mute --out {home}/new": "none of {home}/mute, {home}/mute is better than chance; give",
    "ensemble {home}/reviews {home}/other --out {home}/other --overwrite": (
        "other is, or holds, one of the runs of the ensemble; give"
    ),
    "ensemble {home}/reviews {home}/other --out {home}/lm": "lm already holds a run; give --overwrite to replace it",
    "ensemble {home}/reviews {home}/other --out {home}/stranger": "stranger is not empty and not a run; give the name",
    "ensemble {home}/reviews {home}/other --out {home}/new --data {home}/good.csv": "labels that the model does not",
    "ensemble {home}/good {home}/good --out {home}/new --data {home}/lonely.csv": "there is no text to fit weights on;",
    "ensemble {home}/reviews {home}/other --out {home}/new --text-column mark": "has no column 'mark'",
    "evaluate {home}/ensemble --weights last": "ensemble is an ensemble, which is not trained itself; give the",
    "evaluate {home}/ensemble --dynamic": "--dynamic means nothing for models of type ensemble, as {home}/ensemble is",
    "status {home}/ensemble": "ensemble is an ensemble, which is not trained itself; give the run of one",
    "train sentiment --resume {home}/ensemble": "ensemble is an ensemble, which is not trained itself; give the run",
    "generate {home}/ensemble": "holds a model of type ensemble; one of type char_lm is needed here",
    "plot {home}/ensemble --json -": "metrics.jsonl has no losses to draw; give the folder of a run that has trained",
    "plot --gradients --json - {home}/ensemble": "holds a model of type ensemble; one of type char_lm is needed here",
    # Exports.
    "export": "the following arguments are required: RUN, --out; 'rnnnlp export --help' lists",
    "export {home}/lm --out {home}/new": "one of the arguments --quantize --to is required; 'rnnnlp export --help'",
    "export {home}/lm --to onnx --quantize int8 --out {home}/new": (
        "argument --quantize: not allowed with argument --to; 'rnnnlp export --help' lists the options"
    ),
    "export {home}/lm --to onnx --out {home}/text.txt": (
        "--out {home}/text.txt is a file; give the name of a new folder"
    ),
    "export {home}/lm --to onnx --out {home}/new --data {home}/text.txt": (
        "--data means nothing beside --to: no figures are measured"
    ),
    "export {home}/lm --to onnx --out {home}/new --libraries {home}": "--libraries is for --to web; leave it out",
    "export {home}/lm --quantize int4 --out {home}/new": (
        "--quantize: invalid choice: 'int4' (choose from ... ; 'rnnnlp export --help' lists"
    ),
    "export {home}/nothing --quantize int8 --out {home}/new": "nothing is not a folder",
    "export {home}/lm --quantize int8 --out {home}/lm --overwrite": "lm is, or holds, the model that is exported; give",
    "export {home}/lm --quantize int8 --out {home}/other": "other already holds a run; give --overwrite to replace it",
    "export {home}/lm --quantize int8 --out {home}/stranger": "stranger is not empty and not a run; give the name of a",
    "export {home}/lm --quantize int8 --out {home}/new --data {home}/nothing.txt": "nothing.txt': no such file or",
    "export {home}/lm --quantize int8 --out {home}/new --label-column mark": "--label-column means nothing for models",
    "train sentiment --resume {home}/small": "small is an exported model with int8 weights and no checkpoint; give the",
    "evaluate {home}/small --weights last": "small is an exported model with int8 weights and no checkpoint; give the",
    "status {home}/small": "small is an exported model with int8 weights and no checkpoint; give the run that it is",
    # Pictures.
    "plot {home}/lm": "nothing to write; give --out FILE.png for a picture, or --json FILE for its numbers",
    "plot --json -": "there is no RUN to draw; give the folders of runs, or --gradients for untrained models",
    "plot {home}/lm --out {home}/curves": "curves; its name must end in .png, .svg, .pdf",
    "plot {home}/bare --json -": "metrics.jsonl has no losses to draw; give the folder of a run that has trained",
    "plot {home}/lm --json {home}/none/curves.json": "--json {home}/none/curves.json cannot be written (No such file",
    "plot --gradients {home}/lm --json - --steps 0": "--steps is 0; it must be at least 1",
    "plot --gradients {home}/bare --json -": "bare does not say what it was trained on; give --data",
    "plot --gradients {home}/lm --json - --steps 999": "tokens and 999 steps need 1999; give more text or fewer steps",
    "plot --gradients --json - --data {home}/text.txt --cells elman_relu --hidden-size 4 --steps 9 --scale 1e60": (
        "over 9 steps the gradients grow beyond any number; give fewer steps or a smaller scale"
    ),
    "plot --gradients --json - --cells lstn --data {home}/text.txt": "--cells has 'lstn'; it must be of lstm,",
    "plot --gradients --json - --data {home}/measured/test.csv": "has no split 'validation'; it has test",
    "plot --gradients --json - --data {home}/tuning": "has no train text; it has validation: add one",
    "plot --gradients --json - --seed -1": "--seed is -1; it must be at least 0",
    "plot --gradients --json - {home}/reviews": "holds a model of type sentiment; one of type char_lm is needed here",
}

# A variable of the environment and its value, and what training a character model then says.
ENVIRONMENT = {
    "RNNNLP_BACKEND=gpu": "RNNNLP_BACKEND is gpu; it must be one of auto, numpy, native",
    "RNNNLP_ISA=mmx": "RNNNLP_ISA is mmx; it must be unset, or one of ",
    "RNNNLP_CACHE_LIMIT=much": "RNNNLP_CACHE_LIMIT is much; it must be a number of GB, at least 0",
}

# What is not installed, what was asked for, and what the one line says.
LACKING = {
    "onnxruntime": (
        "export {home}/lm --to onnx --out {home}/new",
        "ONNX files need onnx and onnxruntime ( ... is missing); pip install 'rnnnlp[onnx]'",
    ),
    "uvicorn": ("serve {home}/lm", "the server needs uvicorn; pip install 'rnnnlp[web]'"),
    "rnnnlp.kernels.native": (
        "train charlm --data {home}/text.txt --backend native",
        "--backend is native, which this installation was built without; install a C++17 compiler",
    ),
    "pydoc_data.topics": (
        "train charlm --data python-docs",
        "python-docs needs pydoc_data, which this Python lacks; install the full standard library",
    ),
    "matplotlib": (
        "plot {home}/lm --out {home}/curves.png",
        "pictures need matplotlib; pip install 'rnnnlp[plot]', or give --json instead",
    ),
    "shtab": ("--print-completion bash", "--print-completion needs shtab; pip install 'rnnnlp[completion]'"),
}

# Messages without a row here, and the test that each of them has. They need a package, a network, another process, a
# disk that is full, or a value that only Python can give.
CONTAINERS = "tasks/sentiment/test_containers.py"
WRONG_TEXTS = f"{CONTAINERS}::test_what_is_no_list_of_texts_is_named"
HUB = "training/test_hub.py"
VOCABULARY = "exchange/test_vocabularies.py::test_what_is_no_vocabulary_is_named"
TAKEN_OVER = "parity/test_exchange.py::test_what_cannot_be_taken_over_is_named"
OTHER_MODELS = "parity/test_exchange.py::test_models_and_texts_of_other_kinds_are_named"
CROSS_VALIDATION = "tasks/sentiment/test_cross_validation.py"
ONNX, WEB = "exchange/test_onnx.py", "exchange/test_web.py"
SERVER = "server/test_interface.py"
DISTRIBUTED = "training/test_distributed.py"
ELSEWHERE = {
    "processes were started together, which needs the packages mpi4py and mpich": (
        f"{DISTRIBUTED}::test_without_the_extra_a_launcher_is_told_what_to_install"
    ),
    "has out or overwrite, which --out of the sweep decides; remove it": "cli/test_sweep.py::test_mistakes_of_a_sweep",
    "was not written by a sweep; remove it, and give the same command": "cli/test_sweep.py::test_mistakes_of_a_sweep",
    "two files have one name, and so one run; give them other names": "cli/test_sweep.py::test_mistakes_of_a_sweep",
    "has no figures that can be added up; remove it": "cli/test_files.py::test_figures_that_cannot_be_added_up",
    "processes were started together, and MPI knows of": f"{DISTRIBUTED}::test_another_mpi_than_that_of_the_launcher",
    "the processes of one launcher were asked for different things": (
        f"{DISTRIBUTED}::test_processes_with_different_options_are_refused"
    ),
    "has other data than process 0; give all of them the same files": (
        f"{DISTRIBUTED}::test_processes_with_other_data_or_kernels_are_refused"
    ),
    "has another installation than process 0": f"{DISTRIBUTED}::test_processes_with_other_data_or_kernels_are_refused",
    "is not in the folder ... , which is here, so it is not looked for on the Hub; give": (
        f"{HUB}::test_a_folder_wins_over_the_hub"
    ),
    "of the Hub is no model of rnnnlp; give the name of one that is": (
        f"{HUB}::test_a_revision_is_a_branch_a_tag_or_a_commit"
    ),
    "is on the Hub already, and everybody can see it; make it private": f"{HUB}::test_what_cannot_be_pushed_is_named",
    "is no name of a model on the Hub; write it as owner/name": f"{HUB}::test_what_cannot_be_pushed_is_named",
    "has no figures of a data set and split; evaluate again": f"{HUB}::test_what_cannot_be_pushed_is_named",
    "is a link, which is not uploaded; put the file itself there": f"{HUB}::test_what_cannot_be_pushed_is_named",
    "this computer cannot keep or read its files": f"{HUB}::test_a_cache_that_cannot_be_written_is_said",
    "the Hub answers what cannot be used": f"{HUB}::test_names_of_files_that_leave_the_folder_are_refused",
    "the YAML at the top of": f"{HUB}::test_a_card_whose_yaml_cannot_be_read_is_said",
    "huggingface_hub is not installed; run: pip install huggingface_hub": (
        f"{HUB}::test_without_the_library_one_line_says_what_to_install"
    ),
    "is no name that the Hub allows; check it": f"{HUB}::test_a_name_that_no_model_has_is_refused_without_the_hub",
    "HF_HUB_OFFLINE is set and it is not in the cache": f"{HUB}::test_without_a_network_what_is_in_the_cache_is_used",
    "the Hub gives it only to those who accept its terms; do so on its page": (
        f"{HUB}::test_a_gated_model_says_where_its_terms_are"
    ),
    "of it; give a branch, a tag or a commit": f"{HUB}::test_a_missing_revision_is_named",
    "the Hub had too many requests from here; wait": f"{HUB}::test_too_many_requests_say_how_long_to_wait",
    "the Hub has no such model, or it is private; check the name": f"{HUB}::test_a_model_that_is_nowhere_is_named",
    "the Hub does not allow it with this token, or none": f"{HUB}::test_a_hub_that_fails_is_said",
    "the Hub cannot be reached at": f"{HUB}::test_without_a_network_what_is_in_the_cache_is_used",
    "the Hub fails with status": f"{HUB}::test_a_hub_that_fails_is_said",
    "is ... , which is not in the vocabulary; leave it out": VOCABULARY,
    "the ids of the vocabulary must be those from 0": VOCABULARY,
    "; give its characters or words in order": VOCABULARY,
    "the vocabulary has the entry": VOCABULARY,
    "twice; give each entry once": VOCABULARY,
    "nonlinearity is": TAKEN_OVER,
    "pooling is ... ; it must be one of last, mean": TAKEN_OVER,
    "rows; give all of them in the order of their ids": TAKEN_OVER,
    "the weights are no state dict; give": TAKEN_OVER,
    "the state dict has the matrices": TAKEN_OVER,
    "; only an embedding, recurrent layers and a linear layer": TAKEN_OVER,
    "do not fit recurrent layers of": TAKEN_OVER,
    "there must be one nn.LSTM, nn.GRU or nn.RNN": TAKEN_OVER,
    "the LSTM has projections (proj_size); train": TAKEN_OVER,
    "arrays, which are not all those of one nn.LSTM": TAKEN_OVER,
    "read in both directions, as no language model can; give labels": TAKEN_OVER,
    "give labels if this is a classifier": TAKEN_OVER,
    "; give one for each, in their order": TAKEN_OVER,
    "; give the pooling of the model": TAKEN_OVER,
    "has the shape ... , which does not fit; give the weights": TAKEN_OVER,
    "that can be read safely": "parity/test_exchange.py::test_a_file_with_code_is_not_run",
    "; give a classifier or a character language model": OTHER_MODELS,
    "texts is empty; give at least one text": OTHER_MODELS,
    "have different lengths, or none; give one text at a time": OTHER_MODELS,
    "has no counterpart in PyTorch": "parity/test_exchange.py::test_a_cell_that_torch_cannot_compute_is_refused",
    "is not installed; install it with: pip install torch": (
        "parity/test_exchange.py::test_without_torch_one_line_says_what_to_install"
    ),
    "batch_size is {}; it must be at least 1, or None": f"{CONTAINERS}::test_a_stream_is_answered_while_it_is_read",
    "has the string {} as column": WRONG_TEXTS,
    "has columns of different lengths, {}": f"{CONTAINERS}::test_columns_of_different_lengths_are_named",
    "give one of these, such as data[": f"{CONTAINERS}::test_what_is_no_list_of_texts_is_named",
    "callbacks is {}; expected a list": (
        "training/test_reporting.py::test_what_is_no_callback_and_a_tracker_that_is_missing"
    ),
    "callbacks has {}; expected objects of subclasses": (
        "training/test_reporting.py::test_what_is_no_callback_and_a_tracker_that_is_missing"
    ),
    "which needs the package {}; install it: pip install": (
        "training/test_reporting.py::test_what_is_no_callback_and_a_tracker_that_is_missing"
    ),
    "whose files are in the run folder, and no run is kept; give out": (
        "training/test_reporting.py::test_what_is_no_callback_and_a_tracker_that_is_missing"
    ),
    "and npm is not there to install them; install Node.js": f"{WEB}::test_libraries_that_are_not_to_be_had",
    "look at the connection, or give --libraries": f"{WEB}::test_libraries_that_are_not_to_be_had",
    "is missing; give --libraries the node_modules folder": f"{WEB}::test_libraries_that_are_not_to_be_had",
    "its patterns cannot be read in a browser": f"{WEB}::test_patterns_of_version_0_2_are_refused",
    "the logits of the ONNX graph differ by up to": f"{ONNX}::test_a_graph_that_differs_is_refused",
    "which is pretraining for another one; export": f"{ONNX}::test_what_cannot_be_exported",
    "is not empty and no export; give the name": f"{ONNX}::test_a_folder_that_is_no_export_is_left_alone",
    "already holds an export; give --overwrite": f"{ONNX}::test_a_folder_for_others",
    "bytes, and an ONNX file has at most": f"{ONNX}::test_what_cannot_be_exported",
    "has no counterpart in ONNX": f"{ONNX}::test_a_cell_that_nodes_cannot_compute_is_refused",
    "the text has no token; give one that the tokenizer": f"{SERVER}::test_inspection_shows_surprise_and_units",
    "is not there; the model has": f"{SERVER}::test_inspection_shows_surprise_and_units",
    "cells has {}; there are {}: give some of these": f"{SERVER}::test_a_cell_that_is_none_is_named",
    "a unit has no value": f"{SERVER}::test_inspection_shows_surprise_and_units",
    "are looked at: give fewer": f"{SERVER}::test_inspection_shows_surprise_and_units",
    "there is no ... ; served are: ": f"{SERVER}::test_a_mistake_is_refused_in_one_line",
    "holds no model; give the run folders of": f"{SERVER}::test_options_that_would_open_the_server",
    "is served; start the server with the folder of one": f"{SERVER}::test_a_token_is_needed",
    "is one of another kind now; try again": f"{SERVER}::test_another_kind_of_model_takes_the_place_of_one",
    "is not served any more": f"{SERVER}::test_a_model_that_goes_while_it_is_opened",
    "cannot be opened; see the log": f"{SERVER}::test_a_model_that_changes_is_opened_again_and_a_damaged_one_is_not",
    "the threshold has the label": f"{SERVER}::test_a_threshold_decides",
    "cannot be listened on": f"{SERVER}::test_options_that_would_open_the_server",
    "is not there any more; restore it, or train again": (
        f"{CROSS_VALIDATION}::test_without_its_cross_validation_a_run_does_not_go_on"
    ),
    "and a cross-validation says nothing of": f"{CROSS_VALIDATION}::test_a_run_with_folds_keeps_its_limits",
    "has the figures of one of the files; give": "cli/test_files.py::test_the_total_replaces_nothing_that_is_read",
    "there is no text to measure on; give two": "cli/test_evaluate.py::test_a_baseline_needs_texts_to_measure_on",
    "data has no text with a label": f"{CONTAINERS}::test_runs_of_python_become_an_ensemble_on_given_texts",
    "ngrams is not ascending; restore": f"{CROSS_VALIDATION}::test_a_forged_linear_model_is_refused",
    "the stacking weights are": f"{CROSS_VALIDATION}::test_a_forged_linear_model_is_refused",
    "and no model is named; give a run, or": (
        "cli/test_predict_without_a_run.py::test_texts_to_label_need_a_model_that_is_named"
    ),
    "is not of this run and its data; restore": (
        "tasks/sentiment/test_cross_validation.py::test_a_forged_file_is_refused"
    ),
    "is too large for the data; restore": "tasks/sentiment/test_cross_validation.py::test_a_forged_file_is_refused",
    "has a validation split; leave the option out, or give data without": (
        "tasks/sentiment/test_cross_validation.py::test_folds_need_texts_that_may_be_divided"
    ),
    "with a cross-validation, so none is left to validate on; its figures": (
        "tasks/sentiment/test_cross_validation.py::test_no_text_that_was_trained_on_validates"
    ),
    "was moved or removed while a run trained there, so nothing more is written; resume": (
        "training/test_folder_lock.py::test_a_run_does_not_write_into_a_folder_that_took_its_place"
    ),
    "the weights are so large that the model gives no probabilities; restore": (
        "tasks/sentiment/test_forged.py::test_weights_that_give_no_numbers_are_refused"
    ),
    "its weights are so large that nothing can be measured; restore": (
        "tasks/sentiment/test_forged.py::test_weights_that_give_no_numbers_are_refused"
    ),
    "cannot be read (Permission denied); make it readable, or give another folder": (
        "training/test_hostile_folders.py::test_a_model_that_this_user_may_not_read_is_named"
    ),
    "--backend is native, which cannot be loaded ({}); install a C++17 compiler": (
        "kernels/test_running.py::test_a_library_that_cannot_be_loaded_is_named_with_its_error"
    ),
    "log_temperature is {}; training gives a value from {} to {}: restore": (
        "tasks/sentiment/test_forged.py::test_a_temperature_that_no_training_gives_is_refused"
    ),
    "runs is one path, runs/a; it must be a list of two or more": (
        "tasks/sentiment/test_stacking.py::test_one_path_is_no_list"
    ),
    "cannot be written (No space left on device); make room on": (
        "training/test_disk.py::test_a_full_disk_ends_the_run_and_leaves_the_checkpoints"
    ),
    "holds a model of type {}; an ensemble is needed here": (
        "tasks/sentiment/test_ensemble.py::test_another_model_is_no_ensemble"
    ),
    "--out {} cannot be written ({}); give another path": (
        "analysis/test_plots.py::test_a_picture_that_cannot_be_written"
    ),
    "--baseline finds no words in the training texts": (
        "analysis/test_linear_baseline.py::test_texts_without_a_word_are_an_error"
    ),
    "is no local path, and the Hub cannot be reached (": "text/test_sources.py::test_hub_names_that_do_not_load",
    "is no local path, and does not load from the Hub": "text/test_sources.py::test_hub_names_that_do_not_load",
    "cannot read {}: {}; check the path and": "text/test_readers.py::test_unreadable_path",
    "is compressed by {}; expected text: unpack it": "text/test_readers.py::test_standard_input_that_is_no_text",
    "standard input is JSON; expected one text": "text/test_readers.py::test_standard_input_that_is_no_text",
    "looks like the text itself; expected the name": "text/test_sources.py::test_names_of_no_data",
    "cannot write the cache {} ({}), nor the": "text/test_corpus.py::test_failed_entries_leave_nothing",
    "holds more than {} times its size, as a": "text/test_limits.py::test_a_file_does_not_expand_without_limit",
    "has a text of more than {} characters; divide": "text/test_limits.py::test_parquet_files_with_large_values",
    "has several values in a row; expected one": "text/test_limits.py::test_parquet_columns_of_lists",
    "the schema of {} names {} classes": "text/test_limits.py::test_schemas_with_thousands_of_classes",
    ": a row has more than {} characters": "text/test_limits.py::test_quoted_records_of_many_lines",
    "columns; expected a table of texts: give": "text/test_limits.py::test_tables_of_many_columns",
    "an object of more than {} parts; expected": "text/test_limits.py::test_json_objects_of_many_parts",
    "changed while it was read; try again": "text/test_corpus.py::test_text_that_changes_while_it_is_read",
    "; install rnnnlp again, or clone": "text/test_sources.py::test_sample_reviews_in_an_installed_package",
    "tokenizer is {}; it must be one of": "text/test_tokenizers.py::test_wrong_options",
    "has no meaning for a {} tokenizer; leave it": "text/test_tokenizers.py::test_wrong_options",
    "normalizer is {}; it must be one of": "text/test_tokenizers.py::test_wrong_options",
    "; expected a folder with a saved tokenizer": "text/test_tokenizers.py::test_missing_file",
    "which this version does not know any more": "test_config.py::test_fields_of_the_first_runs",
    "is not fitted yet; call fit first, or": "tasks/test_estimators.py::test_before_fit_it_says_what_to_do",
    "validation_data is given beside a path": (
        "tasks/test_estimators.py::test_a_character_model_from_a_path_or_from_texts"
    ),
    "there are no texts with labels; give some": f"{CONTAINERS}::test_labels_and_weights_that_are_refused",
    "validation_data has no text with a label": f"{CONTAINERS}::test_validation_data_that_are_refused",
    "has paths of files, such as {}; it must be": WRONG_TEXTS,
    "data is {} things; it must be a name, or": f"{CONTAINERS}::test_runs_of_python_become_an_ensemble_on_given_texts",
    "the given labels are of the classes {}, and": (
        f"{CONTAINERS}::test_a_run_is_resumed_with_its_own_labels_and_weights_only"
    ),
    "errors is {}; it must be as for bytes.decode": (
        "tasks/test_estimators.py::test_options_of_generate_that_are_refused"
    ),
    "there is no standard input; give": "cli/test_reading.py::test_standard_input_that_is_closed_or_a_table",
    "standard input is a table with a header": "cli/test_reading.py::test_standard_input_that_is_closed_or_a_table",
    "is a pipe or a device; expected a file": "cli/test_reading.py::test_pipes_and_names_that_are_no_unicode",
    "which has bytes that are no UTF-8; give": "cli/test_reading.py::test_pipes_and_names_that_are_no_unicode",
    "is taken for the texts and for the labels": "cli/test_reading.py::test_one_column_for_both_and_output_over_input",
    "is the name of a file; to classify its": "cli/test_reading.py::test_a_text_that_is_the_name_of_a_file",
    "is a file that this command reads; give another": (
        "cli/test_reading.py::test_one_column_for_both_and_output_over_input"
    ),
    "is a link, a folder or a special file; a regular": "training/test_hostile_folders.py::test_a_lock_that_is_no_file",
    "is a link to another folder, which is not followed": (
        "training/test_hostile_folders.py::test_folders_that_are_links_are_refused"
    ),
    "is already there; give --overwrite to replace it, or another --out": (
        "cli/test_quickstart.py::test_what_is_there_is_replaced_only_if_asked_for"
    ),
    "of a vocabulary ... bytes for {} entries, and at most": (
        "training/test_limits.py::test_a_vocabulary_that_could_not_be_read_again"
    ),
    "config.json would have {} bytes, and at most {} are read again; give fewer": (
        "training/test_limits.py::test_a_configuration_that_could_not_be_read_again"
    ),
    "config.json would have {} brackets, and at most {} are": (
        "training/test_limits.py::test_labels_with_brackets_that_could_not_be_read_again"
    ),
    "would have a header of {} bytes, and at most {} are read": (
        "training/test_limits.py::test_tensors_that_could_not_be_read_again"
    ),
    "the labels have {} bytes in all, and a model": "training/test_limits.py::test_labels_that_are_texts",
    "quantize is {}; it must be int8, or None for": (
        "training/test_quantization.py::test_a_kind_that_there_is_not_is_refused"
    ),
    "has checkpoints, from which training goes on in float32; give": (
        "training/test_quantization.py::test_a_run_that_can_be_resumed_is_not_replaced"
    ),
    "has values that are not finite, which int8 cannot hold; train": (
        "training/test_quantization.py::test_values_that_are_not_finite_cannot_be_rounded"
    ),
    "without scales that fit: float32 {}, finite and at least 0; restore": (
        "training/test_quantization.py::test_a_forged_folder_is_refused"
    ),
    "where config.json says int8; restore both or export": (
        "training/test_quantization.py::test_a_forged_folder_is_refused"
    ),
    "has a {} that is not of a whole model of rnnnlp": (
        "training/test_overwriting.py::test_a_model_is_not_saved_over_files_of_others"
    ),
    "has a config.json that is not of a run, or is damaged": (
        "training/test_overwriting.py::test_the_folder_of_another_library_is_not_replaced"
    ),
    "is also a local path; give the path alone": (
        "text/test_sources.py::test_a_local_folder_does_not_stand_for_a_name_of_the_hub"
    ),
    "the given labels are all": "tasks/test_estimators.py::test_labels_that_do_not_fit_are_named",
    "there are {} texts and {} {}; give one for": "tasks/test_estimators.py::test_labels_that_do_not_fit_are_named",
    "sample_weight has a value that is": "tasks/test_estimators.py::test_labels_that_do_not_fit_are_named",
    "is one string, {}; it must be several": WRONG_TEXTS,
    "; it must be texts, such as a list": WRONG_TEXTS,
    "; every text must be a string": WRONG_TEXTS,
    "prompt is {}; it must be a string": "tasks/test_estimators.py::test_options_of_generate_that_are_refused",
    "seed is {}; it must be at least 0": "tasks/test_estimators.py::test_options_of_generate_that_are_refused",
    "validation_data must be a pair (texts, labels)": f"{CONTAINERS}::test_validation_data_that_are_refused",
    "there is no text with a label; give at": f"{CONTAINERS}::test_missing_texts_have_an_answer_that_says_so",
    "labels has a missing value; give the label": f"{CONTAINERS}::test_labels_to_explain",
    "; every text must be one string: join": WRONG_TEXTS,
    "is a dict with {}; give the strings of": WRONG_TEXTS,
    "sample_weight must be one number for each": f"{CONTAINERS}::test_labels_and_weights_that_are_refused",
    "has the shape {}; it must be texts": WRONG_TEXTS,
    "is bytes that are no UTF-8; decode": WRONG_TEXTS,
    "is one string, {}; it must be one label": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "; it must be one label for each text: of": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "is a set, which has no order; it must be texts": WRONG_TEXTS,
    "is a set, which has no order; it must be one": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "is {}; it must be one label for each text, such": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "has the columns {}; give the one with": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "; a classifier needs few classes: give": "text/test_labelled.py::test_labels_that_are_refused",
    ": a label is a name, a number, or true": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "its data, {}, are not at {}; give": (
        "training/test_life_of_a_run.py::test_data_that_are_gone_are_named_with_the_places_and_the_remedy"
    ),
    "was trained on texts that Python gave, which are": (
        "training/test_life_of_a_run.py::test_a_run_of_python_says_what_to_give"
    ),
    "RNNNLP_CACHE is {}, and this user has no home": (
        "text/test_corpus.py::test_cache_below_a_home_folder_that_is_not_known"
    ),
    "is not private to this user; remove it, or": (
        "text/test_corpus.py::test_cache_of_another_user_in_the_temporary_folder"
    ),
    "--data {} is in the run that --out {} replaces; copy": (
        "training/test_overwriting.py::test_data_in_the_run_that_is_replaced_are_refused"
    ),
    "cannot be locked: it is removed or replaced each time; stop": (
        "training/test_folder_lock.py::test_a_lock_file_that_is_removed_each_time_is_no_lock"
    ),
    "is in use: another process or thread writes a model there; wait": (
        "training/test_overwriting.py::test_a_second_save_at_any_moment_of_the_first_is_refused"
    ),
    "is in use: process {} trains in it; wait": "cli/test_errors.py::test_a_second_run_in_one_folder_is_refused",
    "is not a folder, and no bundled model has that name; give the folder of": (
        "cli/test_predict_without_a_run.py::test_names_of_bundled_models_wherever_a_run_is_named"
    ),
    "is not a folder; give the folder of a trained model, or, if it is a text, also --model": (
        "cli/test_predict_without_a_run.py::test_a_mistyped_run_is_no_text"
    ),
    "script, which no bundled model knows ({}); train a": (
        "cli/test_predict_without_a_run.py::test_a_script_that_no_model_knows"
    ),
    "there are no letters in what was given, so its language cannot be told": (
        "cli/test_predict_without_a_run.py::test_a_script_that_no_model_knows"
    ),
    "no model is bundled with this installation; give the run folder of": (
        "cli/test_predict_without_a_run.py::test_without_bundled_models"
    ),
    "is no list of models; install rnnnlp again": (
        "cli/test_predict_without_a_run.py::test_the_list_of_bundled_models"
    ),
}
