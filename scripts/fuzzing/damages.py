"""The kinds of damage that may happen to a run folder, and which file has it."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from rnnnlp.files import MANIFEST, load_tensors, save_tensors
from rnnnlp.training.model_folder import CONFIG, TOKENIZER, WEIGHTS
from rnnnlp.training.run_folder import BESIDE_STATE, STATE, STATE_TENSORS

MIDDLE = "checkpoints/step-00000003"

HOSTILE: list[Any] = [
    *(
        None,
        True,
        False,
        -1,
        0,
        1,
        3,
        0.5,
        -0.0,
        1e308,
        float("nan"),
        float("inf"),
        2**31,
        2**53,
        2**63,
        10**30,
        -(10**30),
    ),
    *("", "x", "../../etc/passwd", "/dev/zero", "\ud800", "a\nb", "\x00", "é" * 50_000, "nan", "lstm", "1"),
    *([], {}, [[]], [None], {"": {}}, [0] * 50_000, {"a": [1]}, ["a", "b"], ["a", "a"]),
]


class Damage:
    """The kinds of damage: each method damages one file.

    Args:
        folder: A copy of a run.
        other: A run of the same task with another seed.
        rng: Draws the details.
    """

    def __init__(self, folder: Path, other: Path, rng: np.random.Generator):
        self.folder, self.other, self.rng = folder, other, rng

    def at(self, path: Path) -> int:
        return int(self.rng.integers(max(1, path.stat().st_size)))

    def cut(self, path: Path) -> None:
        os.truncate(path, self.at(path))

    def flip_bit(self, path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[self.at(path)] ^= 1 << int(self.rng.integers(8))
        path.write_bytes(content)

    def flip_early_bit(self, path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(self.rng.integers(min(400, len(content))))] ^= 1 << int(self.rng.integers(8))
        path.write_bytes(content)

    def overwrite(self, path: Path) -> None:
        content, start = bytearray(path.read_bytes()), self.at(path)
        length = min(len(content) - start, int(self.rng.integers(1, 200)))
        content[start : start + length] = bytes(length) if self.rng.random() < 0.3 else self.rng.bytes(length)
        path.write_bytes(content)

    def insert(self, path: Path) -> None:
        content, start = path.read_bytes(), self.at(path)
        path.write_bytes(content[:start] + self.rng.bytes(int(self.rng.integers(1, 9))) + content[start:])

    def append(self, path: Path) -> None:
        path.write_bytes(path.read_bytes() + self.rng.bytes(int(self.rng.integers(1, 99))))

    def exchange_run(self, path: Path) -> None:
        shutil.copyfile(self.other / path.relative_to(self.folder), path)

    def exchange_file(self, path: Path) -> None:
        files = sorted(p for p in self.folder.rglob("*") if p.is_file() and p.name != path.name)
        shutil.copyfile(files[int(self.rng.integers(len(files)))], path)

    def exchange_step(self, path: Path) -> None:
        if path.parent != self.folder:  # in the run folder itself, the weights of another step are no damage
            shutil.copyfile(self.folder / "checkpoints/step-00000000" / path.name, path)

    def remove(self, path: Path) -> None:
        path.unlink()

    def make_special(self, path: Path) -> None:
        path.unlink()
        match int(self.rng.integers(6)):
            case 0:
                path.mkdir()
            case 1:
                os.mkfifo(path)
            case 2:
                path.symlink_to("/dev/zero")
            case 3:
                path.symlink_to(path.name)
            case 4:
                path.symlink_to("/etc/passwd")
            case 5:
                path.touch()

    def make_enormous(self, path: Path) -> None:
        os.truncate(path, 1 << int(self.rng.integers(31, 40)))

    def nest(self, path: Path) -> None:
        path.write_text(["[", '{"a":', '{"__metadata__":', "[[],"][int(self.rng.integers(4))] * 200_000)

    # The header of a safetensors file.

    def header(self, path: Path) -> None:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
        name = sorted(header.keys() - {"__metadata__"})[int(self.rng.integers(len(header) - 1))]
        shapes = ([2**40, 2**40], [-1], [0], [0, 2**62], [2**63], [1.5], ["4"], None, [], [1] * 100_000, [10**30])
        offsets = ([0, 2**63], [-4, 0], [8, 4], [0, 0], [len(data), len(data) + 4], None, [0], [0, len(data)])
        dtypes = ("F64", "F16", "BF16", "I32", "U8", "BOOL", "F8_E4M3", "F4", "C64", "", None, "float32")
        manifest = json.loads(header["__metadata__"][MANIFEST])
        match int(self.rng.integers(9)):
            case 0:
                header[name]["shape"] = shapes[int(self.rng.integers(len(shapes)))]
            case 1:
                header[name]["data_offsets"] = offsets[int(self.rng.integers(len(offsets)))]
            case 2:
                header[name]["dtype"] = dtypes[int(self.rng.integers(len(dtypes)))]
            case 3:
                header[f"../{name}\n"] = header.pop(name)
            case 4:
                header["__metadata__"] = self.hostile()
            case 5:
                header["__metadata__"][MANIFEST] = json.dumps(self.hostile())
            case 6:
                header["__metadata__"][MANIFEST] = json.dumps(manifest | {"../../../../etc/passwd": "0"})
            case 7:
                header["__metadata__"][MANIFEST] = "[" * 100_000
            case 8:
                header[name] = self.hostile()
        raw = json.dumps(header).encode()
        length = len(raw) if self.rng.random() < 0.9 else int(self.rng.integers(2**62))
        path.write_bytes(length.to_bytes(8, "little") + raw + data)

    # Forged damage: the checksums are right.

    def forge_tensors(self, path: Path) -> None:
        beside = BESIDE_STATE if path.name == STATE_TENSORS else (CONFIG, TOKENIZER)
        tensors = load_tensors(path, beside=beside)
        name = sorted(tensors)[int(self.rng.integers(len(tensors)))]
        tensor = tensors[name]
        values = (np.nan, np.inf, -np.inf)
        match int(self.rng.integers(9)):
            case 0:
                tensors[name] = tensor.astype([np.float64, np.float16, np.int32, np.bool_][int(self.rng.integers(4))])
            case 1:
                tensors[name] = np.ascontiguousarray(tensor.T) if tensor.ndim > 1 else tensor[None]
            case 2:
                tensors[name] = tensor[:-1]
            case 3:
                tensors[name] = np.empty((0, 2**40), tensor.dtype)
            case 4:
                del tensors[name]
            case 5:
                tensors[f"../{name}\n\ud83d"[: int(self.rng.integers(4, 40))].encode("utf-8", "replace").decode()] = (
                    tensor
                )
            case 6:
                tensor.reshape(-1)[int(self.rng.integers(tensor.size))] = values[int(self.rng.integers(3))]
            case 7:
                tensor *= np.float32(1e38)
            case 8:
                tensors = {}
        save_tensors(path, tensors, beside=beside)
        self.seal(path.parent)

    def forge_json(self, path: Path) -> None:
        content = json.loads(path.read_bytes())
        entries: list[tuple[Any, Any]] = []  # containers, and a key of each

        def collect(node: Any) -> None:
            for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
                if key not in ("steps", "epochs", "budget"):  # with these a run may rightly take long
                    entries.append((node, key))
                    collect(node[key])

        collect(content)
        node, key = entries[int(self.rng.integers(len(entries)))]
        what = self.rng.random()
        if what < 0.75:
            node[key] = self.hostile()
        elif what < 0.85:
            del node[key]
        elif isinstance(node, dict):
            node[f"{key}s"] = self.hostile()
        path.write_text(json.dumps(content))
        self.seal(path.parent)

    def seal(self, folder: Path) -> None:
        """Updates the checksums of a folder."""
        for name, beside in ((WEIGHTS, (CONFIG, TOKENIZER)), (STATE_TENSORS, BESIDE_STATE)):
            if (folder / name).exists():
                save_tensors(folder / name, safetensors.numpy.load_file(folder / name), beside=beside)

    def hostile(self) -> Any:
        return HOSTILE[int(self.rng.integers(len(HOSTILE)))]


ANY_FILE = (
    *("cut", "cut", "flip_bit", "flip_bit", "flip_early_bit", "overwrite", "insert", "append"),
    *("exchange_run", "exchange_file", "exchange_step", "remove", "make_special", "make_enormous", "nest"),
)
TENSOR_FILES = (WEIGHTS, STATE_TENSORS)
FILES = {  # each with the commands that read it
    CONFIG: ("use", "evaluate", "status"),
    TOKENIZER: ("use", "evaluate"),
    WEIGHTS: ("use", "evaluate"),
    "metrics.jsonl": ("status", "resume"),
    f"{MIDDLE}/{CONFIG}": ("resume", "evaluate last"),
    f"{MIDDLE}/{TOKENIZER}": ("resume", "evaluate last"),
    f"{MIDDLE}/{WEIGHTS}": ("resume", "evaluate last"),
    f"{MIDDLE}/{STATE}": ("resume", "status"),
    f"{MIDDLE}/{STATE_TENSORS}": ("resume",),
}


def draw_case(rng: np.random.Generator) -> tuple[str, str, str]:
    """Draws a file, its damage, and the command that reads it."""
    file = list(FILES)[int(rng.integers(len(FILES)))]
    damages = [*ANY_FILE]
    if file.endswith(TENSOR_FILES):
        damages += ["header"] * 6 + ["forge_tensors"] * 6
    elif file.endswith(".json"):
        damages += ["forge_json"] * 12
    return file, damages[int(rng.integers(len(damages)))], FILES[file][int(rng.integers(len(FILES[file])))]
