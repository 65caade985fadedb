"""The kinds of damage to a file or a folder. Forged damage has the right checksums, as if it was made on purpose."""

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from fuzzing import inputs
from rnnnlp.tasks.sentiment.ensemble import beside as beside_members
from rnnnlp.tensors import MANIFEST, save_tensors
from rnnnlp.training.model_folder import CONFIG, MEMBERS, TOKENIZER, WEIGHTS
from rnnnlp.training.run_folder import BESIDE_STATE, STATE_TENSORS

BLOCK = 512  # bytes

HOSTILE: list[Any] = [
    *(None, True, False, -1, 0, 1, 3, 0.5, -0.0, 1e308, -1e308, float("nan"), float("inf"), 2**31, 2**53, 2**63),
    *(10**30, -(10**30), 10**400, -800, 800.0, "", "x", "../../etc/passwd", "/dev/zero", "\ud800", "a\nb", "\x00"),
    *("é" * 50_000, "nan", "lstm", "1", "\x1b]0;title\x07\x1b[2J", "a\tb\rc", "\u202egood", "\x9b31m", "<unk>"),
    *([], {}, [[]], [None], {"": {}}, [0] * 50_000, {"a": [1]}, ["a", "b"], ["a", "a"], ["\x1b[31mX\ngood\t1.0", "b"]),
    *(json.loads("[" * 500 + "]" * 500), {f"k{i}": i for i in range(5000)}, [1e308, float("nan")], ["a"] * 20_000),
]


class Damage:
    """The kinds of damage: each method damages one file or folder, if it can.

    Args:
        folder: What is damaged is in it.
        other: The same folder, made with another seed.
        beside: A folder that is beside the damaged one. Links lead there.
        rng: Draws the details.
    """

    def __init__(self, folder: Path, other: Path, beside: Path, rng: np.random.Generator):
        self.folder, self.other, self.beside, self.rng = folder, other, beside, rng

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

    def zeros(self, path: Path) -> None:
        """A block, or all from a block on, was never written."""
        content = bytearray(path.read_bytes())
        start = int(self.rng.integers(len(content) // BLOCK + 1)) * BLOCK
        stop = len(content) if self.rng.random() < 0.5 else min(len(content), start + BLOCK)
        content[start:stop] = bytes(stop - start)
        path.write_bytes(content)

    def mutate(self, path: Path) -> None:
        path.write_bytes(inputs.mutated(path.read_bytes(), self.rng))

    def exchange_other(self, path: Path) -> None:
        """The file of the same name, made with another seed."""
        other = self.other / path.relative_to(self.folder)
        if other.is_file():
            shutil.copyfile(other, path)

    def exchange_file(self, path: Path) -> None:
        """Any other file of the folder."""
        files = sorted(p for p in self.folder.rglob("*") if p.is_file() and p.name != path.name)
        if files:
            shutil.copyfile(files[int(self.rng.integers(len(files)))], path)

    def exchange_namesake(self, path: Path) -> None:
        """A file or folder of the same name, or of the same kind, elsewhere in the folder."""
        if path.parent == self.folder:  # another run in the place of a run is not damage
            return
        same = [p for p in self.folder.rglob(f"*{path.suffix}") if p != path and p.is_file() == path.is_file()]
        same = sorted(p for p in same if p.name == path.name or p.parent == path.parent)
        # In the run folder itself, the weights of another step are not damage.
        if not same or (path.name == WEIGHTS and path.parent.name in ("run", "language_model")):
            return
        chosen = same[int(self.rng.integers(len(same)))]
        if path.is_file():
            shutil.copyfile(chosen, path)
        elif path not in chosen.parents and chosen not in path.parents:
            temporary = path.with_name("exchanged")
            path.rename(temporary)
            chosen.rename(path)
            temporary.rename(chosen)

    def remove(self, path: Path) -> None:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def special(self, path: Path) -> None:
        """Something else has taken the place of a file or folder."""
        named_by_user = path.parent == self.folder  # who names a link means where it leads
        if path.is_dir() and not named_by_user and self.rng.random() < 0.5:
            self.link_folder(path)
            return
        was_file, content = path.is_file(), path.read_bytes() if path.is_file() else b""
        actions: list[Callable[[], object]] = [
            path.mkdir,
            lambda: os.mkfifo(path),
            lambda: os.mknod(path, stat.S_IFSOCK | 0o666),
            lambda: make_device(path),
            lambda: path.symlink_to("/dev/zero"),
            lambda: path.symlink_to("/dev/full"),
            lambda: path.symlink_to(path.name),
            lambda: path.symlink_to("/etc/passwd"),
            path.touch,
            lambda: make_unreadable(path, content if was_file else None),
            lambda: path.symlink_to(self.beside / "precious.txt"),
            lambda: path.symlink_to(self.beside / "missing.txt"),
            lambda: path.symlink_to(self.beside / "run"),
            lambda: os.link(self.beside / "precious.txt", path),
        ]
        if named_by_user:
            actions = actions[:-4]  # without links to what is beside
        self.remove(path)
        actions[int(self.rng.integers(len(actions)))]()

    def link_folder(self, path: Path) -> None:
        """A link to a folder outside: one of the same name with the same content, or any."""
        same = self.beside / "run" / path.relative_to(self.folder)
        targets = [self.beside, self.beside / "run", self.beside / "drafts", *([same] if same.is_dir() else [])]
        self.remove(path)
        path.symlink_to(targets[int(self.rng.integers(len(targets)))])

    def plant(self, path: Path) -> None:
        """Something is there that has the name of a file to be written, or looks as if it were ours."""
        names = (
            *(".lock", "checkpoints", "language_model", "members", ".old", ".new", "metrics.jsonl", "README.md"),
            *(f".{path.name}.tmp", f".{path.name}.{os.getpid()}.tmp", "checkpoints/step-zzz", "checkpoints/.x.tmp"),
            *("checkpoints/step-99999999", "checkpoints/step-00000006", "checkpoints/.step-00000006.tmp"),
        )
        folder = path if path.is_dir() else path.parent
        planted = folder / names[int(self.rng.integers(len(names)))]
        if planted.parent.is_dir() and not planted.exists():
            planted.touch()
            self.special(planted)

    def enormous(self, path: Path) -> None:
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
        tensors = safetensors.numpy.load_file(path)
        name = sorted(tensors)[int(self.rng.integers(len(tensors)))]
        tensor = tensors[name]
        values = (np.nan, np.inf, -np.inf)
        match int(self.rng.integers(10)):
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
            case 6 | 7 | 9 if tensor.dtype == np.int8:  # of a matrix in int8, any levels
                tensor[...] = self.rng.integers(-128, 128, tensor.shape)
            case 6:
                tensor.reshape(-1)[int(self.rng.integers(tensor.size))] = values[int(self.rng.integers(3))]
            case 7:
                with np.errstate(over="ignore"):
                    tensor *= np.float32(1e38)
            case 8:
                tensors = {}
            case 9:
                tensor.reshape(-1)[:] = values[int(self.rng.integers(3))]
        path.write_bytes(safetensors.numpy.save(tensors))
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

    def forge_keys(self, path: Path) -> None:
        """A key that is there twice, deep nesting, or a number of many figures, anywhere in the text of a JSON file."""
        text = path.read_text(encoding="utf-8")
        places = [match.end() for match in re.finditer(r"[{\[:,]", text)]
        at = places[int(self.rng.integers(len(places)))] if places else 0
        added = (
            '"format": 1, ',
            "[" * 100_000,
            '{"a":' * 100_000,
            "9" * 5000 + ", ",
            '"\\ud800", ',
            "NaN, ",
            "1e999, ",
        )
        again = re.findall(r'"[^"]*":[^,{}\[\]]*,', text)[:20]
        choices = [*added, *again]
        path.write_text(text[:at] + choices[int(self.rng.integers(len(choices)))] + text[at:], encoding="utf-8")
        self.seal(path.parent)

    def forge_lines(self, path: Path) -> None:
        """Other values, or other lines, in a file that has a JSON object on each line."""
        lines = path.read_text().splitlines()
        at = int(self.rng.integers(len(lines)))
        record = json.loads(lines[at])
        if self.rng.random() < 0.3:
            lines.insert(
                at,
                ("[]", "{}", "null", "1e999", "x" * (1 << 21), '{"step": 9' + "9" * 400 + "}", "[" * 9000, "")[
                    int(self.rng.integers(8))
                ],
            )
        else:
            keys = sorted(record)
            record[keys[int(self.rng.integers(len(keys)))]] = self.hostile()
            lines[at] = json.dumps(record)
        path.write_text("\n".join(lines) + "\n")

    def forge_array(self, path: Path) -> None:
        """Another array in a .npy file, or another header."""
        array = np.load(path)
        match int(self.rng.integers(7)):
            case 0:
                array[int(self.rng.integers(len(array)))] = np.iinfo(array.dtype).max
            case 1:
                array = array[: len(array) // 2]
            case 2:
                array = array.astype(np.float64)
            case 3:
                array = np.zeros((3, 4))
            case 4:
                array = np.array([{"a": 1}, "b"], dtype=object)
            case 5:
                array[:] = array[::-1].copy()
            case 6:
                array = array[:0]
        np.save(path, array, allow_pickle=True)
        if self.rng.random() < 0.3:
            shapes = (b"(9999999999999,)", b"(-1,)", b"(2, 2, 2)", b"((((", b"(1e9,)")
            content = re.sub(rb"\(\d*,?\)", shapes[int(self.rng.integers(len(shapes)))], path.read_bytes(), count=1)
            path.write_bytes(content)

    def forge_entry(self, path: Path) -> None:
        """Other content in a file of the cache, and its size and digest in the manifest."""
        content = bytearray(path.read_bytes())
        at = int(self.rng.integers(len(content) + 1))
        match int(self.rng.integers(4)):
            case 0:
                content[at : at + 2] = b"\xff\xff"
            case 1:
                del content[at:]
            case 2:
                content[at:at] = self.rng.bytes(3)
            case 3:
                content[:] = bytes(len(content))
        path.write_bytes(content)
        manifest = path.with_name("manifest.json")
        if manifest.is_file():
            recorded = json.loads(manifest.read_bytes())
            recorded["files"][path.name] = [len(content), hashlib.sha256(content).hexdigest()]
            manifest.write_text(json.dumps(recorded))

    def forge_rows(self, path: Path) -> None:
        """Other texts and labels in a file of data."""
        path.write_bytes(rows_for(path.name, self.rng))

    def forge_options(self, path: Path) -> None:
        """Other options in a TOML file."""
        content = inputs.toml_file(self.rng)
        path.write_bytes(inputs.mutated(content, self.rng) if self.rng.random() < 0.3 else content)

    def seal(self, folder: Path) -> None:
        """Updates the checksums of a folder, and of an ensemble that has it as a member."""
        members = len(list((folder / MEMBERS).iterdir())) if (folder / MEMBERS).is_dir() else 0
        of_model = beside_members(members) if members else (CONFIG, TOKENIZER)
        for name, beside in ((WEIGHTS, of_model), (STATE_TENSORS, BESIDE_STATE)):
            if (folder / name).is_file():
                with suppress(OSError, ValueError, safetensors.SafetensorError):
                    save_tensors(folder / name, safetensors.numpy.load_file(folder / name), beside=beside)
        if folder.parent.name == MEMBERS:
            self.seal(folder.parent.parent)

    def hostile(self) -> Any:
        return HOSTILE[int(self.rng.integers(len(HOSTILE)))]


def make_device(path: Path) -> None:
    """A device that never ends, or where only root may make one, a link to it."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except OSError:
        path.symlink_to("/dev/zero")


def make_unreadable(path: Path, content: bytes | None) -> None:
    """A file with this content, or a folder, that nobody may read."""
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    path.chmod(0)


def rows_for(name: str, rng: np.random.Generator) -> bytes:
    """Random content for a file of data of this name."""
    suffix = Path(name).suffix
    match suffix:
        case ".csv":
            return inputs.csv_of(inputs.rows(rng), rng)
        case ".tsv":
            return inputs.csv_of(inputs.rows(rng), rng, delimiter="\t")
        case ".jsonl":
            return inputs.jsonl_file(rng)
        case ".parquet":
            return inputs.parquet_file(rng)
    return inputs.text(rng).encode("utf-8", "surrogatepass")


ANY_PLACE = ("special", "special", "special", "plant", "remove", "exchange_namesake")
ANY_FILE = (
    *("cut", "cut", "flip_bit", "flip_bit", "flip_early_bit", "overwrite", "insert", "append", "zeros", "zeros"),
    *("exchange_other", "exchange_file", "enormous", "nest"),
)


def damages_of(path: Path) -> list[str]:
    """The kinds of damage that a file or folder may have; those that are forged more often."""
    if path.is_dir():
        return [*ANY_PLACE]
    common = [*ANY_PLACE, *ANY_FILE]
    if path.with_name("manifest.json").is_file() and path.name != "manifest.json":
        common += ["forge_entry"] * 6
    match path.suffix:
        case ".safetensors":
            return common + ["header"] * 8 + ["forge_tensors"] * 8
        case ".json":
            return common + ["forge_json"] * 16 + ["forge_keys"] * 3
        case ".jsonl" if path.name == "metrics.jsonl":
            return common + ["forge_lines"] * 16
        case ".npy":
            return common + ["forge_array"] * 12
        case ".toml":
            return common + ["mutate"] * 6 + ["forge_options"] * 24
        case ".txt" | ".csv" | ".tsv" | ".jsonl" | ".parquet" | ".gz" | ".zip":
            return common + ["mutate"] * 8 + ["forge_rows"] * 8
    return common
