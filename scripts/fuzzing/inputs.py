"""Random hostile inputs: text of any kind, files of each format, and bytes changed at random."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

# First and last code points of ranges that programs treat in different ways.
RANGES = (
    *((0x20, 0x7E), (0x61, 0x7A), (0x00, 0x1F), (0x7F, 0x9F), (0xA0, 0x17F), (0x300, 0x36F), (0x400, 0x4FF)),
    *((0x590, 0x6FF), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x2000, 0x206F), (0x3040, 0x30FF), (0x4E00, 0x9FFF)),
    *((0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0xFE00, 0xFE0F), (0xFFF0, 0xFFFF), (0x1F300, 0x1FAFF), (0x10FF00, 0x10FFFF)),
)
SNIPPETS = (
    *(
        "\n",
        "\r\n",
        "\r",
        "\n\n",
        "\t",
        " ",
        "\x00",
        "\ufeff",
        "\u2028",
        "\u0085",
        "\x1a",
        "\x1b[31m",
        "\u200d",
        "İ",
        "ß",
    ),
    *(
        ',"',
        '"',
        '""',
        "'",
        "`",
        "\\",
        "\\u0041",
        "\\ud800",
        "%s",
        "{}",
        "<unk>",
        "<br />",
        "&amp;lt;",
        "<!--",
        "👩‍👩‍👧",
    ),
    *("ที่นี่", "ຫຼາຍ", "ខ្ញុំ", "က္ကို", "ཤིས་", "か\u3099", "ｶﾞ", "क्ष", "می\u200cخ", "\u200d", "\u200b", "\u1039", "\ufe0f"),
    *(
        "e\u0301",
        "é",
        "ﷺ",
        "don't",
        "it’s",
        "....",
        "!!!!!!",
        "中文",
        "text",
        "label",
        "0",
        "-1",
        "1e999",
        "NaN",
        "null",
    ),
)
LABELS: tuple[Any, ...] = (
    *(0, 1, 2, -1, "pos", "neg", "", "1", "1.0", "1e2", 1.0, 0.5, True, False, None, 10**30, -(10**400), 2**63),
    *(float("nan"), float("inf"), -0.0, [], [1], {}, {"a": 1}, "\x00", "-1", "９", "a\nb"),
)


def text(rng: np.random.Generator, *, longest: int = 200, halves: float = 0.05) -> str:
    """A random text.

    Args:
        rng: Draws it.
        longest: About the maximum number of characters.
        halves: The probability of a lone surrogate.
    """
    if rng.random() < 0.05:
        return ""
    parts: list[str] = []
    first, last = RANGES[int(rng.integers(len(RANGES)))]
    for _ in range(int(rng.integers(1, 12))):
        size = int(rng.integers(1, max(2, longest // 10)))
        match int(rng.integers(6)):
            case 0 | 1:
                parts.append("".join(map(chr, rng.integers(first, last + 1, size))))
            case 2 | 3:
                parts.append(SNIPPETS[int(rng.integers(len(SNIPPETS)))])
            case 4:
                first, last = RANGES[int(rng.integers(len(RANGES)))]
                parts.append(chr(int(rng.integers(first, last + 1))) * size)
            case 5:
                parts.append("".join("ab cd.\n"[i] for i in rng.integers(0, 7, size)))
    if rng.random() < halves:
        parts.insert(int(rng.integers(len(parts))), chr(int(rng.integers(0xD800, 0xE000))))
    return "".join(parts)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The same bytes with a few random changes: bytes replaced, removed, repeated or inserted."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(len(changed) + 1))
        size = int(rng.integers(1, 20))
        match int(rng.integers(6)):
            case 0:
                changed[at : at + 1] = bytes([int(rng.integers(256))])
            case 1:
                del changed[at : at + size]
            case 2:
                changed[at:at] = changed[at : at + size] * int(rng.integers(1, 30))
            case 3:
                changed[at:at] = rng.bytes(size)
            case 4:
                changed[at:at] = SNIPPETS[int(rng.integers(len(SNIPPETS)))].encode()
            case 5:
                changed[at:at] = (b'"', b"[" * 20_000, b"{" * 9, b'{"a":' * 20_000, b"1" * 5_000, b"\xed\xa0\x80")[
                    int(rng.integers(6))
                ]
    return bytes(changed)


def rows(rng: np.random.Generator) -> list[tuple[str, Any]]:
    """Texts and labels; most labels are usual ones."""
    few: Sequence[Any] = ((0, 1), ("neg", "pos"), LABELS)[int(rng.integers(3))]
    return [(text(rng, longest=60, halves=0.01), few[int(rng.integers(len(few)))]) for _ in range(rng.integers(0, 12))]


def csv_of(rows: Sequence[tuple[str, Any]], rng: np.random.Generator, *, delimiter: str = ",") -> bytes:
    out = io.StringIO()
    table = csv.writer(
        out,
        delimiter=delimiter,
        lineterminator=("\n", "\r\n")[int(rng.integers(2))],
        quoting=(csv.QUOTE_MINIMAL, csv.QUOTE_ALL)[int(rng.integers(2))],
    )
    table.writerow(("text", "label"))
    table.writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


def jsonl_of(rows: Sequence[tuple[str, Any]], rng: np.random.Generator) -> bytes:
    ends = ("\n", "\r\n", "\n\n", "\n \n")
    escaped = bool(rng.random() < 0.5)
    lines = (json.dumps({"text": text, "label": value}, ensure_ascii=escaped) for text, value in rows)
    return "".join(line + ends[int(rng.integers(4))] for line in lines).encode("utf-8", "surrogatepass")


def jsonl_file(rng: np.random.Generator) -> bytes:
    content = jsonl_of(rows(rng), rng)
    if rng.random() < 0.2:
        value = ("[" * 100_000 + "]" * 100_000, "9" * 10_000, "1e999999", '"\\ud83d"', '{"text": 1, "text": 2}')
        content += b'{"text": "a", "label": ' + value[int(rng.integers(5))].encode() + b"}\n"
    return content


def parquet_file(rng: np.random.Generator) -> bytes:
    """A parquet file whose columns may be nested, empty, or of any type."""
    import pyarrow
    import pyarrow.parquet

    texts = [t.encode("utf-8", "replace").decode() for t, _ in rows(rng)] or ["a"]
    columns: dict[str, list[Any]] = {"text": list(texts)}
    kinds: tuple[Any, ...] = (0, "a", None, 0.5, [1], {"a": {"b": [None]}}, True, b"\xff")
    for name in ("label", "text", "meta"):
        if name == "label" or rng.random() < 0.2:
            kind = kinds[int(rng.integers(len(kinds)))]
            columns[name] = [kind if rng.random() < 0.9 else None for _ in texts]
    if rng.random() < 0.5:
        columns["label"] = [int(i) for i in rng.integers(-1, 3, len(texts))]
    table = pyarrow.table(columns)
    if rng.random() < 0.3:
        features = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["no", "yes"]}}}}
        said = json.dumps(features).encode()
        table = table.replace_schema_metadata({"huggingface": mutated(said, rng) if rng.random() < 0.5 else said})
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


TOML = (
    *("hidden-size = 8", "lr = 1e-3", 'budget = "10m"', 'budget = "1e"', 'data = "x.txt"', "steps = 10", "epochs = 1"),
    *("tied_weights = true", "dropout = 0.5", 'cell = "gru"', "seed = -1", "seed = 99999999999999999999", "lr = nan"),
    *("[table]", "[[table]]", "a.b.c = 1", "date = 1979-05-27", 'pooling = "max"', 'out = "runs/x"', "out = 5"),
    *('"hidden-size" = 9', "hidden_size = [1]", "labels = []", "vocab_size = 3", "threads = 1.5", 'backend = "numpy"'),
    *(
        "data = 5",
        "budget = inf",
        "budget = -1",
        "overwrite = true",
        "resume = 'x'",
        "''' = 1",
        "lr = 1_0.0",
        "lr = 0x10",
    ),
    *(
        'budget = "' + "9" * 400 + 'h"',
        "x = " + "[" * 5000,
        "lr = " + "9" * 5000,
        'tokenizer = "char"',
        '"\\u0000" = 1',
    ),
)


def toml_file(rng: np.random.Generator) -> bytes:
    return "\n".join(TOML[i] for i in rng.integers(0, len(TOML), int(rng.integers(1, 8)))).encode()


def enormous_line(rng: np.random.Generator, name: str) -> bytes:
    """A file of the format of `name` with 100 MB without a line end."""
    unit = ("a", "word ", "é", "中", "👩")[int(rng.integers(5))].encode()
    line = unit * (100_000_000 // len(unit))
    match Path(name).suffix:
        case ".csv":
            return b'text,label\n"' + line + b'",1\nb,0\n'
        case ".tsv":
            return b"text\tlabel\n" + line + b"\t1\nb\t0\n"
        case ".jsonl":
            return b'{"text": "' + line + b'", "label": 1}\n{"text": "b", "label": 0}\n'
    return line
