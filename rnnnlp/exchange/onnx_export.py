"""`rnnnlp export --to onnx`: a trained model as a folder that ONNX Runtime and the tokenizers library open."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnnlp.errors import UserError, option
from rnnnlp.exchange.onnx_check import Difference, compare_classifier, compare_language_model
from rnnnlp.exchange.onnx_classifier import ClassifierGraph, classifier_graph
from rnnnlp.exchange.onnx_language_model import AFTER, BEFORE, language_model_graph
from rnnnlp.files import read_json, write_atomically
from rnnnlp.folders import current, replacement
from rnnnlp.tasks import task_of
from rnnnlp.tasks.char_lm.network import CharLMNetwork
from rnnnlp.tasks.sentiment.bundled import model_folder
from rnnnlp.tasks.sentiment.ensemble import Ensemble
from rnnnlp.tasks.sentiment.network import SentimentNetwork
from rnnnlp.text import Tokenizer
from rnnnlp.text.words import LearnedTokenizer
from rnnnlp.training.export import refuse_source
from rnnnlp.training.folder_lock import holder, refuse_in_use
from rnnnlp.training.model_folder import CARD, TOKENIZER, SavedModel, read_config
from rnnnlp.version import __version__

FORMAT = 1  # of the folder
MODEL, DESCRIPTION = "model.onnx", "model.json"
OF_EXPORTS = re.compile(  # the names of all that an export, also one for browsers, may have
    r"model\.onnx|model\.json|tokenizer(_\d+)?\.json|README\.md|index\.html|page\.js|rnnnlp\.js|vendor"
)
OF_PAGES = ("index.html", "page.js", "rnnnlp.js", "vendor/LIBRARIES.txt")  # files of each export for browsers
CLASSIFIER, LANGUAGE_MODEL = "classifier", "language model"  # the kinds of exported models


@dataclass(frozen=True)
class OnnxExport:
    """What an export has written.

    Attributes:
        kind: "classifier" or "language model".
        difference: How much its logits differ from those of the model.
        files: The bytes of each file.
    """

    kind: str
    difference: Difference
    files: Mapping[str, int]


@dataclass(frozen=True)
class Content:
    """The files of an export, and what they hold.

    Attributes:
        model: The ONNX file.
        description: The content of `model.json`.
        tokenizers: Each with the name of its file.
        difference: How much the logits differ from those of the model.
    """

    model: bytes
    description: dict[str, Any]
    tokenizers: dict[str, Tokenizer]
    difference: Difference


def export_onnx(folder: str | os.PathLike[str], out: str | os.PathLike[str], *, overwrite: bool = False) -> OnnxExport:
    """Writes a trained model into the new folder `out` for ONNX Runtime.

    Args:
        folder: A run folder, an ensemble or a saved model.
        out: The new folder.
        overwrite: Whether to replace an earlier export that is in `out`.

    Raises:
        UserError: If there is no such model in `folder`, `out` cannot be written or holds something else, the extra
            `onnx` is not installed, or the graph computes something else than the model.
    """
    refuse_file(out)
    content = content_of(folder)
    return write_export(folder, out, content, {CARD: readme(content).encode()}, overwrite=overwrite)


def content_of(folder: str | os.PathLike[str]) -> Content:
    """What an export of the model in a folder holds."""
    require_libraries()
    model = load(folder)
    if isinstance(model, CharLMNetwork):
        return _of_language_model(model)
    return _of_classifier(model)


def refuse_file(out: str | os.PathLike[str]) -> None:
    """UserError if `out` is a file: said before the work begins, too."""
    place = os.path.expanduser(out)
    if os.path.exists(place) and not os.path.isdir(place):
        raise UserError(f"{option('out')} {out} is a file; give the name of a new folder")


def require_libraries() -> None:
    """UserError if the extra is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"ONNX files need onnx and onnxruntime ({error.name} is missing); pip install 'rnnnlp[onnx]'"
        ) from None


def load(folder: str | os.PathLike[str]) -> SentimentNetwork | Ensemble | CharLMNetwork:
    """The model in a folder.

    Raises:
        UserError: If it is none that can be exported.
    """
    place = model_folder(folder)
    model: SavedModel = task_of(read_config(place)["model_type"], place).load(place)
    if not isinstance(model, SentimentNetwork | Ensemble | CharLMNetwork):
        raise UserError(
            f"{folder} holds a model of type {read_config(place)['model_type']}, which has no ONNX graph; export a "
            "classifier or a character language model"
        )
    return model


def _of_classifier(model: SentimentNetwork | Ensemble) -> Content:
    made: ClassifierGraph = classifier_graph(model)
    names = [TOKENIZER if k == 0 else TOKENIZER.replace(".", f"_{k}.") for k in range(len(made.inputs))]
    description = {
        "format": FORMAT,
        "made_with": f"rnnnlp {__version__}",
        "kind": CLASSIFIER,
        "labels": list(model.labels),
        "label_type": model.classes.type,
        "inputs": [
            {
                "ids": one.ids,
                "lengths": one.lengths,
                "tokenizer": name,
                "tokenizer_kind": one.tokenizer.kind,
                "max_length": one.max_length,
                "blank": one.blank,
            }
            for one, name in zip(made.inputs, names, strict=True)
        ],
        "characters": made.characters,
    }
    file = made.graph.model("classifier", {"rnnnlp": json.dumps(description, ensure_ascii=False)})
    tokenizers = {name: one.tokenizer for one, name in zip(made.inputs, names, strict=True)}
    return Content(file, description, tokenizers, compare_classifier(file, made, model))


def _of_language_model(network: CharLMNetwork) -> Content:
    states = network.recurrent.cell.states
    description = {
        "format": FORMAT,
        "made_with": f"rnnnlp {__version__}",
        "kind": LANGUAGE_MODEL,
        "tokenizer": TOKENIZER,
        "tokenizer_kind": network.tokenizer.kind,
        "unknown_id": network.tokenizer.unknown_id,
        "separator": network.tokenizer.separator.decode(),
        "vocab_size": network.config.vocab_size,
        "states": [{"input": BEFORE.format(s), "output": AFTER.format(s)} for s in states],
        "layers": len(network.recurrent.layers),
        "hidden_size": network.config.hidden_size,
    }
    graph = language_model_graph(network)
    file = graph.model("language_model", {"rnnnlp": json.dumps(description, ensure_ascii=False)})
    return Content(file, description, {TOKENIZER: network.tokenizer}, compare_language_model(file, network))


def write_export(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    content: Content,
    others: Mapping[str, bytes],
    *,
    overwrite: bool,
    folders: Sequence[str] = (),
    finish: Callable[[Path], None] = lambda new: None,
) -> OnnxExport:
    """Writes an export into a folder, whole or not at all.

    Args:
        folder: The model that is exported.
        out: The new folder.
        content: What it holds.
        others: Further files.
        overwrite: Whether to replace an earlier export. Other files beside it stay.
        folders: The names of folders that `finish` makes.
        finish: Adds to the new folder before it takes its place.
    """
    content.difference.require_small()
    target = Path(os.path.expanduser(out))
    refuse_file(out)
    refuse_source(model_folder(folder), out)
    names = sorted({MODEL, DESCRIPTION, *others, *content.tokenizers, *folders})
    description = {**content.description, "files": names}
    files = {
        MODEL: content.model,
        DESCRIPTION: json.dumps(description, indent=2, ensure_ascii=False).encode() + b"\n",
        **others,
    }
    replaced: list[str] = []

    def check() -> None:
        replaced.extend(_replaced_names(target, names, overwrite=overwrite))

    with replacement(target, replaced, check=check) as new:
        for name, data in files.items():
            write_atomically(new / name, data, sync=False)
        for name, tokenizer in content.tokenizers.items():
            write_atomically(new / name, tokenizer_bytes(tokenizer), sync=False)
        finish(new)
        found = sorted(path for path in new.rglob("*") if path.is_file())
        sizes = {path.relative_to(new).as_posix(): path.stat().st_size for path in found}
    return OnnxExport(content.description["kind"], content.difference, sizes)


def tokenizer_bytes(tokenizer: Tokenizer) -> bytes:
    """The content of the tokenizer's file."""
    if isinstance(tokenizer, LearnedTokenizer):
        tokenizer = tokenizer.portable()
    return json.dumps(tokenizer.to_json(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _replaced_names(out: Path, new: Collection[str], *, overwrite: bool) -> list[str]:
    """The names that an export replaces or removes in a folder.

    `model.json`, which lists the files of an export, comes last: a process that is killed before leaves the list of
    what it was replacing.

    Args:
        out: The folder.
        new: The names that the new export has.
        overwrite: Whether to replace an earlier export.

    Raises:
        UserError: If the folder may not be written.
    """
    refuse_in_use(out, holder(out))
    places = {out, current(out)}  # after a process was killed, the new content is in the second
    found = {entry.name for place in places for entry in place.iterdir() if not entry.name.startswith(".")}
    if found and not _names_of_export(current(out)):
        raise UserError(f"{option('out')} {out} is not empty and no export; give the name of a new folder")
    if found and not overwrite:
        raise UserError(f"{option('out')} {out} already holds an export; give {option('overwrite')} to replace it")
    own = {name for place in places for name in _names_of_export(place)}
    if others := sorted(found.intersection(new) - own):
        raise UserError(
            f"{option('out')} {out} has a {others[0]} that is not of the export, so nothing there is replaced; "
            "move it away, or give the name of a new folder"
        )
    return [*sorted({*new, *own} - {DESCRIPTION}), DESCRIPTION]


def _names_of_export(folder: Path) -> set[str]:
    """The names of what the export in a folder has there; empty if there is no export.

    Earlier versions did not list them. The names of a page are then those of an export if all files of it are there.
    """
    if not all((folder / name).is_file() for name in (MODEL, DESCRIPTION)):
        return set()
    description = read_json(folder / DESCRIPTION)
    if not isinstance(description, dict) or "made_with" not in description:
        return set()
    names = description.get("files")
    if not isinstance(names, list):
        names = {entry.name for entry in folder.iterdir()}
        if not all((folder / name).is_file() for name in OF_PAGES):
            names -= {name.split("/")[0] for name in OF_PAGES}
    return {name for name in names if isinstance(name, str) and OF_EXPORTS.fullmatch(name)}


def readme(content: Content) -> str:
    """How the folder is used in Python."""
    described = content.description
    if described["kind"] == LANGUAGE_MODEL:
        states = ", ".join(f'"{state["input"]}": zeros' for state in described["states"])
        unknown = described["unknown_id"]
        warning = "" if unknown is None else f" Id {unknown} is the unknown symbol;\ndo not sample it."
        return f"""# A character language model for ONNX Runtime

`model.onnx` predicts each token from those before it. Its state comes in and goes out, so a text may be read in parts.

```python
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("{TOKENIZER}")
session = onnxruntime.InferenceSession("{MODEL}")
ids = np.array([tokenizer.encode("It was").ids])  # (batch, time)
zeros = np.zeros(({described["layers"]}, len(ids), {described["hidden_size"]}), np.float32)
logits, *state = session.run(None, {{"ids": ids, {states}}})  # (batch, time, vocabulary)
```

`model.json` has the names of the state's inputs and outputs.{warning}
"""
    several = len(described["inputs"]) > 1 or described["characters"]
    more = """
This model has more inputs than the example: `model.json` lists them. `characters` are the code points of the text in
lower case, with one space between words and at both ends; `character_lengths` is their number.
"""
    first = described["inputs"][0]
    longest = first["max_length"]
    return f"""# A classifier for ONNX Runtime

`model.onnx` takes token ids, padded to one length, and returns `logits` and calibrated `probabilities`. The columns are
{", ".join(f"`{label}`" for label in described["labels"])}.

```python
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("{TOKENIZER}")
session = onnxruntime.InferenceSession("{MODEL}")
rows = [tokenizer.encode(text.strip()).ids or [{first["blank"]}] for text in ["a text", "another text"]]
lengths = np.array([len(row) for row in rows])
ids = np.zeros((len(rows), lengths.max()), np.int64)
for k, row in enumerate(rows):
    ids[k, : len(row)] = row
logits, probabilities = session.run(None, {{"ids": ids, "lengths": lengths}})
```

Of a text with more than {longest} ids, give the first {longest // 2} and the last {longest - longest // 2}. An empty
text is the one id {first["blank"]}.
{more if several else ""}"""
