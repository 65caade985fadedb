"""Damages run folders in many ways and opens them: each ends in one clear line, or as if nothing had happened.

    python scripts/damage_campaign.py --cases 2000 --seed 0

A case is a copy of a small run, one damage, and one command, in a process of its own with 5 seconds of processor time
(60 of the clock, for what waits and does nothing) and 1 GB of memory. It fails if there is a traceback, a hang, too
much memory, or if a command succeeds with another result than that of the undamaged run. "Forged" damage has the right
checksums, as someone would do it on purpose: there another result is no failure, all else is.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import datasets  # noqa: F401 (before the forks, for speed)
import numpy as np
import safetensors.numpy
import tokenizers  # noqa: F401
from fuzzing.cases import MEMORY, SECONDS, command_line, limit_memory, start_clocks

import rnnnlp.training.run  # noqa: F401
from rnnnlp.cli.main import main
from rnnnlp.files import MANIFEST, load_tensors, save_tensors
from rnnnlp.training.model_folder import CONFIG, TOKENIZER, WEIGHTS
from rnnnlp.training.run_folder import BESIDE_STATE, STATE, STATE_TENSORS

MIDDLE = "checkpoints/step-00000003"
TEXT = "All happy families are alike; each unhappy family is unhappy in its own way.\n" * 12
REVIEWS = "text,label\n" + "".join(
    f"it is {w} number {i},{n}\n" for i in range(20) for w, n in (("bad", 0), ("good", 1))
)
OPTIONS = "--hidden-size 6 --embedding-size 5 --steps 6 --batch-size 4 --evaluations 2 --checkpoint-every 3"


class Result(NamedTuple):
    code: int  # negative: ended by this signal
    out: str
    error: str
    weights: bytes  # of the run folder, afterwards
    seconds: float  # of processor time
    memory: int  # bytes, the most that were resident


def run(words: list[str], folder: Path, scratch: Path) -> Result:
    """The command in a process of its own."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        for descriptor, name in ((1, "out"), (2, "error")):
            os.dup2(os.open(scratch / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        limit_memory()
        start_clocks()
        code = 1
        try:
            code = main(words)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    out, error = (str((scratch / name).read_bytes(), "utf-8", "replace") for name in ("out", "error"))
    path = folder / WEIGHTS
    weights = path.read_bytes() if path.is_file() and path.stat().st_size < MEMORY else b""
    code = os.waitstatus_to_exitcode(status)
    return Result(code, out, error, weights, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def commands(kind: str, folder: Path, home: Path) -> dict[str, list[str]]:
    """What is done with the folder, by name."""
    data = ["--data", str(home / ("text.txt" if kind == "charlm" else "reviews.csv"))]
    use = (
        ["generate", str(folder), "--seed", "1", "--length", "30"]
        if kind == "charlm"
        else ["predict", str(folder), "good"]
    )
    return {
        "use": use,
        "evaluate": ["evaluate", str(folder)],
        "evaluate last": ["evaluate", str(folder), "--weights", "last", *data],
        "resume": ["train", kind, "--resume", str(folder)],
        "status": ["status", str(folder)],
    }


def prepare(home: Path) -> None:
    """Two runs of each kind, with other seeds, that have lost their last checkpoint."""
    (home / "text.txt").write_text(TEXT)
    (home / "reviews.csv").write_text(REVIEWS)
    for kind, data, more in (("charlm", "text.txt", "--bptt 8"), ("sentiment", "reviews.csv", "--min-frequency 1")):
        for seed in "01":
            folder = home / f"{kind}-{seed}"
            words = ["train", kind, "--data", str(home / data), "--seed", seed, *OPTIONS.split(), *more.split()]
            result = run([*words, "--out", str(folder), "--keep-checkpoints", "3"], folder, home)
            assert result.code == 0, result.error
            shutil.rmtree(folder / "checkpoints/step-00000006")
            (folder / "metrics.jsonl").write_text((folder / "metrics.jsonl").read_text() * 2)


# ------------------------------------------------------------------------------------------------------------- damage

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
    """What may happen to a folder. `folder` is a copy of a run, `other` the run of the same kind with another seed."""

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
        if path.parent != self.folder:  # another step's weights in the run folder itself are a choice, and whole
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

    # -- of the header of a safetensors file

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

    # -- forged: with the right checksums

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
        places: list[tuple[Any, Any]] = []

        def walk(node: Any) -> None:
            for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
                if key not in ("steps", "epochs", "budget"):  # a run may be told to take long
                    places.append((node, key))
                    walk(node[key])

        walk(content)
        node, key = places[int(self.rng.integers(len(places)))]
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
        """Writes the checksums anew."""
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
FILES = {  # and the commands that read them
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


def choose(rng: np.random.Generator) -> tuple[str, str, str]:
    """A file, what happens to it, and the command that is then given."""
    file = list(FILES)[int(rng.integers(len(FILES)))]
    damages = [*ANY_FILE]
    if file.endswith(TENSOR_FILES):
        damages += ["header"] * 6 + ["forge_tensors"] * 6
    elif file.endswith(".json"):
        damages += ["forge_json"] * 12
    return file, damages[int(rng.integers(len(damages)))], FILES[file][int(rng.integers(len(FILES[file])))]


def verdict(result: Result, whole: Result, *, forged: bool, compare_output: bool) -> str:
    """How it ended: refused, as whole, forged, or what is wrong."""
    if result.code == -signal.SIGALRM:
        return "FAILED: hung"
    if result.code == -signal.SIGPROF or result.seconds > SECONDS:
        return "FAILED: too slow"
    if result.memory > MEMORY or "not enough memory" in result.error:
        return "FAILED: too much memory"
    if "Traceback" in result.error or result.code not in (0, 2):
        return f"FAILED: ended with {result.code}"
    if result.code == 2:
        lines = [line for line in result.error.splitlines() if line.startswith("rnnnlp: error: ")]
        return "refused" if len(lines) == 1 and lines[0] == result.error.splitlines()[-1] else "FAILED: not one line"
    same = result.weights == whole.weights and (result.out == whole.out or not compare_output)
    return "as whole" if same else "forged" if forged else "FAILED: another result"


def campaign(cases: range, seed: int, say: Callable[[str], None]) -> Counter[str]:
    """How many cases ended in which way."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="rnnnlp-damage-") as name:
        home = Path(name)
        os.environ["RNNNLP_CACHE"] = str(home / "cache")
        prepare(home)
        folder, whole = home / "run", {}
        slowest = largest = 0.0
        for case in cases:
            rng = np.random.default_rng([seed, case])
            kind = ("charlm", "sentiment")[int(rng.integers(2))]
            file, what, command = choose(rng)
            words = commands(kind, folder, home)[command]
            for damaged in (False, True) if (kind, command) not in whole else (True,):
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(home / f"{kind}-0", folder)
                if damaged:
                    getattr(Damage(folder, home / f"{kind}-1", rng), what)(folder / file)
                result = run(words, folder, home)
                if not damaged:
                    assert result.code == 0, result.error
                    whole[kind, command] = result
            # What is in metrics.jsonl is shown by status, and only there; training states are shown unchecked.
            ended = verdict(
                result, whole[kind, command], forged=what.startswith("forge"), compare_output=command != "status"
            )
            slowest, largest = max(slowest, result.seconds), max(largest, result.memory)
            counts[ended] += 1
            if ended.startswith("FAILED"):
                say(f"case {case}: {kind}, {what} {file}, {command}: {ended}\n{result.error[-1500:]}")
        say(f"slowest {slowest:.2f} s of processor time, most memory {largest / 2**20:.0f} MiB")
    return counts


if __name__ == "__main__":
    found = campaign(*command_line(__doc__, 2000), print)
    print(", ".join(f"{count} {ended}" for ended, count in sorted(found.items())))
    sys.exit(any(ended.startswith("FAILED") for ended in found))
