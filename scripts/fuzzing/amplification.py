"""Small or odd files that once took far more time or memory than their size: the cases, and what makes them.

Each must be read or refused in 5 seconds of processor time and 1 GB of memory.
"""

import bz2
import gzip
import json
import lzma
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy

from rnnnlp.cli.main import main
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.tensors import MANIFEST, save_tensors
from rnnnlp.training.run_folder import BESIDE_STATE, STATE, STATE_TENSORS, RunFolder

TINY = "--hidden-size 4 --embedding-size 3 --steps 2 --batch-size 2 --bptt 8 --evaluations 1".split()
MODEL_FILES = ("config.json", "tokenizer.json")
MB = 1 << 20


class Case(NamedTuple):
    """A case.

    Attributes:
        name: What it is.
        write: Writes it into the folder `case`; beside that are the runs that `prepare` makes.
        command: The words after `rnnnlp`; {case} and {home} stand for the folder, and for the one that it is in.
    """

    name: str
    write: Callable[[Path], object]
    command: str


def prepare(home: Path) -> None:
    """Trains the small models that the cases copy: `lm`, `reviews` and `ensemble`."""
    (home / "text.txt").write_text("To be, or not to be, that is the question.\n" * 20)
    for words in (
        ["train", "charlm", "--data", str(home / "text.txt"), "--out", str(home / "lm"), *TINY],
        ["train", "sentiment", "--data", "sample-reviews", "--out", str(home / "reviews"), *TINY],
    ):
        assert main(words) == 0
    member = SentimentNetwork.from_pretrained(home / "reviews")
    Ensemble([member, member], np.ones(2)).save_pretrained(home / "ensemble", training={"data": "sample-reviews"})


def begin(case: Case, home: Path) -> list[str]:
    """Makes the folder of a case anew, and writes the case into it; returns the words of its command."""
    folder = home / "case"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    case.write(folder)
    return [word.format(case=folder, home=home) for word in case.command.split()]


def campaign(say: Callable[[str], None], cases: Iterable[Case]) -> Counter[str]:
    """Runs cases; returns the number of cases for each way in which a command ended."""
    from fuzzing.cases import FAILED, in_child, verdict

    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="rnnnlp-amplification-") as name:
        home = Path(name)
        os.environ["RNNNLP_CACHE"] = str(home / "cache")
        prepare(home)
        for case in cases:
            words = begin(case, home)
            ended = in_child(lambda words=words: main(words), home / "scratch")
            how = verdict(ended)
            counts["FAILED" if how.startswith(FAILED) else how] += 1
            if how.startswith(FAILED):
                say(f"{case.name}, {' '.join(words[:2])}: {how}, {ended.seconds:.2f} s\n{ended.error[-1500:]}")
    return counts


# Tables.


def write_parquet(folder: Path, columns: dict[str, Any], **options: Any) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "a.parquet", **options)


def dictionary_bomb(folder: Path, size: int, rows: int) -> None:
    """One text of `size` characters, which every row names."""
    import pyarrow

    indices = pyarrow.array([0] * rows, pyarrow.int32())
    texts = pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array(["a" * size]))
    write_parquet(folder, {"text": texts, "label": [i % 2 for i in range(rows)]}, compression="zstd")


def equal_rows(folder: Path, text: str | None) -> None:
    import pyarrow

    texts = pyarrow.nulls(20_000_000, pyarrow.string())
    if text is not None:
        indices = pyarrow.array(np.zeros(20_000_000, np.int8))
        texts = pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array([text]))
    write_parquet(folder, {"text": texts, "label": texts}, compression="zstd")


def nested_parquet(folder: Path) -> None:
    import pyarrow

    values = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(10_000_000, np.int8)), pyarrow.array(["a"]))
    of_rows = pyarrow.ListArray.from_arrays(pyarrow.array([0, 10_000_000], pyarrow.int32()), values.dictionary_decode())
    write_parquet(folder, {"text": ["a"], "label": of_rows}, compression="zstd")


def csv_record(folder: Path) -> None:
    """One record of 20 million fields."""
    with open(folder / "a.csv", "w", encoding="utf-8") as file:
        file.write("text,label\n")
        for _ in range(80):
            file.write('"\n",' * 250_000)


def csv_of_ids(folder: Path) -> None:
    rows = "".join(f"a film with number {i},{i // 2}\n" for i in range(30_000))
    (folder / "a.csv").write_text("text,label\n" + rows)


def parquet_of_classes(folder: Path) -> None:
    """A schema that names a million classes."""
    import pyarrow
    import pyarrow.parquet

    features = {"label": {"names": [str(i) for i in range(1_000_000)], "_type": "ClassLabel"}}
    table = pyarrow.table({"text": ["good", "bad"], "label": [0, 1]})
    schema = json.dumps({"info": {"features": features}})
    pyarrow.parquet.write_table(table.replace_schema_metadata({"huggingface": schema}), folder / "a.parquet")


def json_line(content: str, unit: str) -> str:
    """A JSON object of 16 million characters that has many values."""
    return content % (unit * ((16_000_000) // len(unit)))[:-1]


OBJECT = '{"text": "a", "label": 1, "more": [%s]}'


# Compressed files.


def compressed(folder: Path, name: str, kind: str, megabytes: int = 1024) -> None:
    """Many copies of one compressed part, which is a valid file of these formats."""
    part = b"a line of a text that comes again and again\n" * (MB // 44)
    pack: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    pack["zst"] = zstd
    (folder / name).write_bytes(pack[kind](part) * megabytes)


def zstd(content: bytes) -> bytes:
    import pyarrow

    return bytes(pyarrow.compress(content, codec="zstd", asbytes=True))


def zipped(folder: Path, method: int) -> None:
    with zipfile.ZipFile(folder / "a.txt.zip", "w", method) as archive, archive.open("a.txt", "w") as member:
        for _ in range(24 if method == zipfile.ZIP_DEFLATED else 1):
            member.write(b"a line of a text that comes again and again\n" * (2 * MB // 44))


def directory_of_many(folder: Path) -> None:
    """A zip archive whose directory names 500,000 empty files."""
    entry = b"PK\1\2" + struct.pack("<HHHHHHLLLHHHHHLL", 20, 20, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + b"%06d" % i for i in range(500_000))
    end = struct.pack("<HHHHLLH", 0, 0, 65535, 65535, len(directory), 4, 0)
    (folder / "a.zip").write_bytes(b"PK\3\4" + directory + b"PK\5\6" + end)


def office_document(folder: Path, method: int) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w", method) as archive:
        archive.writestr("mimetype", bytes(256 * MB))


def nested_gzip(folder: Path) -> None:
    content = b"a line\n" * 100
    for _ in range(50):
        content = gzip.compress(content, 1)
    (folder / "a.txt.gz").write_bytes(content)


def itself(folder: Path) -> None:
    """A gzip file whose content begins as a gzip file."""
    packer = zlib.compressobj(wbits=31)
    (folder / "a.txt.gz").write_bytes((packer.compress(b"\x1f\x8b\x08" * 1000) + packer.flush()) * 3)


def large_xz_dictionary(folder: Path) -> None:
    changed = bytearray(lzma.compress(b"a text\n", filters=[{"id": lzma.FILTER_LZMA2, "preset": 0}]))
    changed[16] = 40  # the size of the dictionary: 4 GB
    changed[20:24] = struct.pack("<I", zlib.crc32(bytes(changed[12:20])))
    (folder / "a.txt.xz").write_bytes(changed)


# Links, pipes and devices.


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def class_folders(folder: Path) -> None:
    for name in ("bad", "good"):
        (folder / name).mkdir()
        (folder / name / "a.txt").write_text(name)
    link(folder / "good" / "b.txt", "/dev/zero")


def sparse(path: Path, size: int, begin: bytes = b"") -> None:
    path.write_bytes(begin)
    os.truncate(path, size)


# Models.


def model(folder: Path, kind: str) -> Path:
    return Path(shutil.copytree(folder.parent / kind, folder / "run"))


def large_header(folder: Path) -> None:
    path = model(folder, "lm") / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    path.write_bytes(safetensors.numpy.save(tensors, {MANIFEST: "{" + " " * 95_000_000 + "}"}))


def many_tensors(folder: Path) -> None:
    path = model(folder, "lm") / "model.safetensors"
    header = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(40_000)}
    write_header(path, header, 0)


def write_header(path: Path, header: dict[str, Any], size: int) -> None:
    raw = json.dumps(header).encode()
    sparse(path, 8 + len(raw) + size, struct.pack("<Q", len(raw)) + raw)


def sparse_tensor(folder: Path, name: str, tensor: str) -> None:
    """A tensor of 2 GiB that takes no room on the disk."""
    run = model(folder, "lm")
    path = run / name if name == "model.safetensors" else RunFolder(run).latest_checkpoint() / name
    shape = [1 << 29]
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 << 29]}
    write_header(path, {"__metadata__": {MANIFEST: "{}"}, tensor: entry}, 4 << 29)


def forge_config(run: Path, part: str, **changes: Any) -> None:
    """Changes the configuration of a model, with the right checksum."""
    path = run / "config.json"
    config = json.loads(path.read_bytes())
    config[part] |= changes
    path.write_text(json.dumps(config))
    seal(run)


def seal(run: Path, beside: tuple[str, ...] = MODEL_FILES, name: str = "model.safetensors") -> None:
    save_tensors(run / name, safetensors.numpy.load_file(run / name), beside=beside)


def tokenizer(folder: Path, begin: str, unit: str, end: str) -> None:
    """A tokenizer.json of 64 MB."""
    number = (60_000_000 - len(begin) - len(end)) // len(unit.replace("%d", "1000000"))
    path = model(folder, "lm") / "tokenizer.json"
    with open(path, "w", encoding="utf-8") as file:
        file.write(begin)
        if "%d" in unit:
            for first in range(0, number, 100_000):
                file.write("".join(unit.replace("%d", str(1_000_000 + i)) for i in range(first, first + 100_000)))
        else:
            file.write(unit * number)
        file.write(end)


def members(folder: Path, number: int) -> None:
    run = model(folder, "ensemble")
    path = run / "config.json"
    config = json.loads(path.read_bytes())
    config["model"]["members"] = number
    path.write_text(json.dumps(config))
    (run / "members" / str(number - 1)).mkdir(exist_ok=True)


def layers(folder: Path) -> None:
    """20,000 layers of one unit, which a folder of some megabytes can hold."""
    run = model(folder, "lm")
    forge_config(run, "model", hidden_size=1, embedding_size=1, num_layers=20_000)


def forge_state(folder: Path, content: str) -> None:
    """Another training state, with the right checksum."""
    checkpoint = RunFolder(model(folder, "lm")).latest_checkpoint()
    (checkpoint / STATE).write_text(content)
    seal(checkpoint, BESIDE_STATE, STATE_TENSORS)


def long_key(parts: int) -> str:
    return "a." * parts + "a = 1\n"


PREDICT = "predict {home}/reviews --file {case}/"
GENERATE = "generate {case}/run --length 5"
CASES = [
    Case(
        f"parquet, a text of {size} MiB in 1000 rows", lambda f, size=size: dictionary_bomb(f, size * MB, 1000), command
    )
    for size in (15, 16)
    for command in (
        f"{PREDICT}a.parquet",
        "train sentiment --steps 1 --out {case}/new --data {case}/a.parquet",
        "train charlm --steps 1 --out {case}/new --data {case}/a.parquet",
    )
]
CASES += [
    Case("parquet, a text of 100 MB", lambda f: dictionary_bomb(f, 100 * MB, 1), f"{PREDICT}a.parquet"),
    Case("parquet, texts of 1 MB", lambda f: dictionary_bomb(f, MB, 10_000), f"{PREDICT}a.parquet"),
    Case("parquet, 20 million equal rows", lambda f: equal_rows(f, "a text"), f"{PREDICT}a.parquet"),
    Case(
        "parquet, 20 million equal labels",
        lambda f: equal_rows(f, "a"),
        "train sentiment --steps 1 --out {case}/new --text-column label --label-column text --data {case}/a.parquet",
    ),
    Case("parquet, 20 million missing texts", lambda f: equal_rows(f, None), f"{PREDICT}a.parquet"),
    Case("parquet, nested", nested_parquet, "train sentiment --steps 1 --out {case}/new --data {case}/a.parquet"),
    Case(
        "parquet, a million classes",
        parquet_of_classes,
        "train sentiment --steps 1 --out {case}/new --data {case}/a.parquet",
    ),
    Case(
        "parquet, a description of 4 GB",
        lambda f: sparse(f / "a.parquet", 0) or (f / "a.parquet").write_bytes(b"PAR1" + b"\xf0\xff\xff\xffPAR1"),
        f"{PREDICT}a.parquet",
    ),
    Case("csv, 20 million fields", csv_record, "train sentiment --steps 1 --out {case}/new --data {case}/a.csv"),
    Case(
        "csv, 16 million columns",
        lambda f: (f / "a.csv").write_text("text,label" + "," * 16_000_000 + "\na,1\n"),
        "train sentiment --steps 1 --out {case}/new --data {case}/a.csv",
    ),
    Case("csv, 15,000 classes", csv_of_ids, "train sentiment --steps 1 --out {case}/new --data {case}/a.csv"),
    Case(
        "jsonl, objects in an object",
        lambda f: (f / "a.jsonl").write_text((json_line(OBJECT, "{},") + "\n") * 2),
        f"{PREDICT}a.jsonl",
    ),
    Case(
        "json, an array of one enormous object",
        lambda f: (f / "a.json").write_text(f"[{json_line(OBJECT, '{},')}]"),
        f"{PREDICT}a.json",
    ),
    Case(
        "json, an enormous object over several lines",
        lambda f: (f / "a.json").write_text(json_line(OBJECT, "{},\n")),
        f"{PREDICT}a.json",
    ),
    Case(
        "json, nested",
        lambda f: (f / "a.jsonl").write_text(OBJECT % ("[" * 8_000_000 + "]" * 8_000_000)),
        f"{PREDICT}a.jsonl",
    ),
    Case(
        "json, a number of 16 million digits",
        lambda f: (f / "a.jsonl").write_text(OBJECT % ("9" * 16_000_000)),
        f"{PREDICT}a.jsonl",
    ),
]
CASES += [
    Case(f"{kind}, 1 GB", lambda f, kind=kind: compressed(f, f"a.txt.{kind}", kind), command)
    for kind in ("gz", "bz2", "xz", "zst")
    for command in (f"{PREDICT}a.txt.{kind}", f"train charlm --steps 1 --out {{case}}/new --data {{case}}/a.txt.{kind}")
]
CASES += [
    Case(
        "gz, a table of 1 GB",
        lambda f: compressed(f, "a.csv.gz", "gz"),
        "train sentiment --steps 1 --out {case}/new --data {case}/a.csv.gz",
    ),
    Case("zip, 48 MB by deflate", lambda f: zipped(f, zipfile.ZIP_DEFLATED), f"{PREDICT}a.txt.zip"),
    Case("zip, 2 MB by bzip2", lambda f: zipped(f, zipfile.ZIP_BZIP2), f"{PREDICT}a.txt.zip"),
    Case("zip, 2 MB by lzma", lambda f: zipped(f, zipfile.ZIP_LZMA), f"{PREDICT}a.txt.zip"),
    Case("zip, 500,000 names", directory_of_many, f"{PREDICT}a.zip"),
    Case("zip, an enormous kind of document", lambda f: office_document(f, zipfile.ZIP_DEFLATED), f"{PREDICT}a.zip"),
    Case("zip, the same by bzip2", lambda f: office_document(f, zipfile.ZIP_BZIP2), f"{PREDICT}a.zip"),
    Case("gz, 50 times over", nested_gzip, f"{PREDICT}a.txt.gz"),
    Case("gz, which seems to hold itself", itself, f"{PREDICT}a.txt.gz"),
    Case("xz, a dictionary of 4 GB", large_xz_dictionary, f"{PREDICT}a.txt.xz"),
    Case("data, a device", lambda f: None, "train charlm --steps 1 --out {case}/new --data /dev/zero"),
    Case("data, a device as a table", lambda f: link(f / "a.csv", "/dev/zero"), f"{PREDICT}a.csv"),
    Case(
        "data, a folder with a device",
        lambda f: link(f / "data" / "train.txt", "/dev/zero"),
        "train charlm --steps 1 --out {case}/new --data {case}/data",
    ),
    Case(
        "data, a folder with a pipe",
        lambda f: (f / "data").mkdir() or os.mkfifo(f / "data" / "train.csv"),
        "train sentiment --steps 1 --out {case}/new --data {case}/data",
    ),
    Case(
        "data, class folders with a device",
        class_folders,
        "train sentiment --steps 1 --out {case}/new --data {case}",
    ),
    Case("config, a device", lambda f: None, "train charlm --out {case}/new --data {home}/text.txt --config /dev/zero"),
    Case(
        "config, a pipe",
        lambda f: os.mkfifo(f / "a.toml"),
        "train charlm --out {case}/new --data {home}/text.txt --config {case}/a.toml",
    ),
    Case(
        "config, 1.5 GB of nothing",
        lambda f: sparse(f / "a.toml", 1536 * MB),
        "train charlm --out {case}/new --data {home}/text.txt --config {case}/a.toml",
    ),
]
CASES += [
    Case(
        f"config, {name}",
        lambda f, content=content: (f / "a.toml").write_text(content),
        "train charlm --out {case}/new --data {home}/text.txt --config {case}/a.toml",
    )
    for name, content in {
        "a key of 30,000 parts": long_key(30_000),
        "a table of 30,000 parts": f"[{'a.' * 30_000}a]\n",
        "quoted parts": '"a".' * 15_000 + "a = 1\n",
        "parts in a table in a line": "x = {" + "a." * 30_000 + "a = 1}\n",
        "parts with blanks": "a . " * 15_000 + "a = 1\n",
        "nested": "x = " + "[" * 200_000,
        "nested tables": "x = " + "{a=" * 80_000,
        "many tables": "".join(f"[t{i}]\n" for i in range(25_000)),
        "many keys of two parts": "".join(f"a.b{i}=1\n" for i in range(20_000)),
        "an enormous number": "lr = " + "9" * 200_000,
        "an enormous string": 'x = """' + "\\n" * 100_000 + '"""\n',
        "quotation marks": '"""' * 80_000,
        "a string without an end": 'a = "' + '\\"' * 100_000,
        "strings without an end": 'a = "\\' * 50_000,
        "a text without an end": 'a = """' + '\\"' * 100_000,
        "parts behind four quotation marks": 'x = {b = """a"""", ' + "a." * 100_000 + 'a = 1, c = ""}\n',
    }.items()
]
CASES += [
    Case("weights, a header of 95 MB", large_header, GENERATE),
    Case("weights, 40,000 tensors", many_tensors, GENERATE),
    Case("weights, 2 GiB of nothing", lambda f: sparse_tensor(f, "model.safetensors", "head.bias"), GENERATE),
    Case(
        "training state, 2 GiB of nothing",
        lambda f: sparse_tensor(f, STATE_TENSORS, "weights.head.bias"),
        "train charlm --resume {case}/run",
    ),
    Case(
        "weights, 2 GiB and a configuration that fits",
        lambda f: (
            sparse_tensor(f, "model.safetensors", "head.bias"),
            (f / "run" / "config.json").write_text(
                (f / "run" / "config.json").read_text().replace('"hidden_size": 4', '"hidden_size": 11000')
            ),
        ),
        GENERATE,
    ),
    Case("tokenizer, objects", lambda f: tokenizer(f, "[", "{},", "{}]"), GENERATE),
    Case("tokenizer, lists", lambda f: tokenizer(f, "[", "[],", "[]]"), GENERATE),
    Case("tokenizer, strings", lambda f: tokenizer(f, "[", '"ab",', '"a"]'), GENERATE),
    Case("tokenizer, numbers", lambda f: tokenizer(f, "[", "999,", "9]"), GENERATE),
    Case("tokenizer, words", lambda f: tokenizer(f, '{"model": {"vocab": {', '"%d":1,', '"a": 2}}}'), GENERATE),
    Case("tokenizer, nested", lambda f: tokenizer(f, "", "[", ""), GENERATE),
    Case("tokenizer, a device", lambda f: link(model(f, "lm") / "tokenizer.json", "/dev/zero"), GENERATE),
    Case(
        "configuration, objects",
        lambda f: (model(f, "lm") / "config.json").write_text('{"a": [' + "{}," * 5_500_000 + "{}]}"),
        GENERATE,
    ),
    Case("configuration, a device", lambda f: link(model(f, "lm") / "config.json", "/dev/zero"), GENERATE),
    Case("configuration, 20,000 layers", layers, GENERATE),
    Case("weights, a device", lambda f: link(model(f, "lm") / "model.safetensors", "/dev/zero"), GENERATE),
    Case("ensemble, 30 million members", lambda f: members(f, 30_000_000), "predict {case}/run text"),
    Case("ensemble, 1000 members", lambda f: members(f, 1000), "predict {case}/run text"),
    Case("metrics, a device", lambda f: link(model(f, "lm") / "metrics.jsonl", "/dev/zero"), "status {case}/run"),
    Case(
        "metrics, a line of 64 MB",
        lambda f: (model(f, "lm") / "metrics.jsonl").write_text("[" + "{}," * (20 * MB) + "{}]\n"),
        "status {case}/run",
    ),
    Case(
        "training state, objects",
        lambda f: forge_state(f, "[" + "{}," * 5_500_000 + "{}]"),
        "train charlm --resume {case}/run",
    ),
    Case("card, 2 GiB of nothing", lambda f: sparse(model(f, "lm") / "README.md", 2048 * MB), "status {case}/run"),
]

SLOW = (  # what takes about a second, at least to write
    *(
        "parquet, a text of 15",
        "parquet, a text of 100",
        "parquet, 20 million",
        "parquet, nested",
        "parquet, a million",
    ),
    *(
        "csv, 20",
        "csv, 16",
        "json, an enormous object",
        "gz, 1 GB",
        "bz2",
        "zip, 2 MB by bzip2",
        "zip, an enormous",
        "tokenizer",
    ),
)
QUICK = [case for case in CASES if not case.name.startswith(SLOW)]
