"""Private words of version 0.1 are gone from the package, its help texts, the scripts and the documents.

Someone who searches for the usual word must find it, so it is the only one. CHANGELOG.md and the results as data, which
quote old commands, are not searched.
"""

import re
from pathlib import Path

import pytest

from rnnnlp.cli.main import COMMANDS, main
from rnnnlp.tasks import TASKS, load_task

ROOT = Path(__file__).parents[1]
SUFFIXES = {".py", ".pyi", ".cpp", ".hpp", ".md", ".sh", ".toml", ".txt"}
FOLDERS = ("rnnnlp", "scripts", "docs")
HISTORY = re.compile(r"^Words of version 0\.1[^\n]*\n\n(\|[^\n]*\n)+", re.MULTILINE)  # a table in docs/architecture.md

# Whole words, in any case; an identifier counts as its words. The usual word is beside each.
WORDS = {
    "vote": "n-gram features",
    "votes": "n-gram features, ngram_buckets",
    "voted": "n-gram features",
    "committee": "ensemble",
    "committees": "ensembles",
    "combine": "ensemble",
    "combining": "stacking",
    "stretch": "random crop",
    "stretches": "random crops",
    "by heart": "overfitting, memorising",
    "moved against": "adversarial perturbation",
    "learn the language": "language-model pretraining",
    "the language first": "language-model pretraining",
    "piece": "chunk, subword or segment",
    "pieces": "chunks, subwords or segments",
    "walk": "time loop, scan",
    "walks": "time loop, scan",
    "reader": "network",
    "readers": "network",
    "writer": "network, decoder",
    "writers": "network, decoder",
    "stepper": "decoder",
    "stepping": "decoder",
    "team": "thread pool",
    "crew": "thread pool",
    "distinct": "unique",
    "fresh": "reset, untrained",
    "health": "divergence",
    "whereabouts": "progress record",
    "whole numbers": "int8 slices, quantized",
    "so many": "N, number of",
    "so often": "N, how often",
    "smoothing gradients": "vat_gradients",
    "product nt": "matmul_nt",
    "product tn": "matmul_tn",
    "bidirectional lm": "word_lm",
}

# Where a word has its common meaning, or is needed to read what 0.1 wrote: the file, or the rest of its line.
ALLOWED = {
    "votes": ["rnnnlp/training/earlier.py", "scripts/compare_installations.py"],
    "committee": ["rnnnlp/training/earlier.py"],
    "bidirectional lm": ["rnnnlp/training/earlier.py"],
    "health": ["rnnnlp/training/earlier.py", "suppress-health-check"],
    "combine": ["RENAMED_COMMANDS = "],
    "reader": [
        *("rnnnlp/text/delimited.py", "io.BufferedReader(", "reader of the output", "a reader, the configuration"),
        "csv.reader(",
        "rnnnlp/text/given_tables.py",  # those of PyArrow
    ],
    "readers": [
        "# Readers.",  # they read files
        "readers of PyArrow",
    ],
    "writer": [
        *("csv.writer(", "scripts/benchmarking/installed.py"),  # the latter runs version 0.1 too
        "rnnnlp/training/trackers.py",  # that of TensorBoard
    ],
}

# Names that have a common meaning elsewhere: not in these folders, or not in this form.
PATTERNS = {
    r"\bfitted\(": "buffers()",
    r"\bmoved\(": "perturbed()",
    r"\b(config|settings)\.weights\b": "num_parameters",
    r"\b(Damaged|CannotWrite|HeldBack|FreedMemory|LossWatch|FRESH_SHARE|Combining|READ_AGAIN)\b": "see the changelog",
    r"\bgo_(on|to|back)\b": "resume, seek, restore",
    r"^class \w+(Given|Shown)\b": "Request, Response",
    r"\b(CharLM|Sentiment|Pretraining)Task\b": "objective",
}
IN_KERNELS = {
    r"\b(digit|digits)\b": "int8 slices",
    r"\bchoose\(|\bchoice\b": "sample_token",
    r"\b(rank|settle|settles|planes|crew)\b": "thread index, publish, bf16 splits",
    r"\b(put|take|finish)\(": "store, next_task, epilogue",
    r"\bplaces\b(?=[\],)\s]*[=:\[])": "row_index, indices",
}


def split_identifiers(text: str) -> str:
    """The text with spaces between the words of an identifier."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text.replace("_", " "))


def files() -> list[Path]:
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *found]


def lines() -> list[tuple[str, str]]:
    """Each line of every file, with the name of the file; the names themselves are lines, too."""
    found = []
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        text = HISTORY.sub("", path.read_text(encoding="utf-8"))
        found += [(name, name), *((name, line) for line in text.splitlines())]
    return found


LINES = lines()
SPLIT = [split_identifiers(line) for _, line in LINES]


def helps() -> list[list[str]]:
    """The words of every command that has a help text."""
    commands = [[name] for name in COMMANDS]
    return [[], *commands, *(task.command.split() for task in map(load_task, TASKS))]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_gone(word: str):
    pattern = re.compile(rf"\b{word.replace(' ', '[ -]+')}\b", re.IGNORECASE)
    allowed = ALLOWED.get(word, [])
    left = [
        f"{name}: {line.strip()[:150]}"
        for (name, line), split in zip(LINES, SPLIT, strict=True)
        if pattern.search(split) and not any(name == where or where in line for where in allowed)
    ]
    assert not left, f"{word!r} is there {len(left)} times; say {WORDS[word]}"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_name_is_gone(pattern: str):
    left = [f"{name}: {line.strip()[:150]}" for name, line in LINES if re.search(pattern, line)]
    assert not left, f"{pattern} is there {len(left)} times; say {PATTERNS[pattern]}"


@pytest.mark.parametrize("pattern", IN_KERNELS)
def test_a_word_of_the_kernels_is_gone(pattern: str):
    own = [(name, line) for name, line in LINES if name.startswith("rnnnlp/kernels/")]
    left = [f"{name}: {line.strip()[:150]}" for name, line in own if re.search(pattern, line, re.IGNORECASE)]
    assert not left, f"{pattern} is there {len(left)} times; say {IN_KERNELS[pattern]}"


@pytest.mark.parametrize("command", helps(), ids=" ".join)
def test_a_help_text_uses_the_usual_words(command: list[str], capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    said = split_identifiers(capsys.readouterr().out)
    assert [word for word in WORDS if re.search(rf"\b{word.replace(' ', '[ -]+')}\b", said, re.IGNORECASE)] == []


@pytest.mark.parametrize("word", ALLOWED)
def test_an_exception_is_still_needed(word: str):
    """So that the list of exceptions stays short."""
    pattern = re.compile(rf"\b{word.replace(' ', '[ -]+')}\b", re.IGNORECASE)
    found = [(name, line) for (name, line), split in zip(LINES, SPLIT, strict=True) if pattern.search(split)]
    assert [where for where in ALLOWED[word] if not any(name == where or where in line for name, line in found)] == []
