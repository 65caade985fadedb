"""README.md, guide, tutorials, how-tos and translations name commands, options and Python arguments that exist."""

import argparse
import ast
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rnnnlp
from rnnnlp.cli.completion import OPTION
from rnnnlp.cli.main import COMMANDS, Parser, load_command, parse
from rnnnlp.tasks.char_lm.generate import Sampling
from rnnnlp.training.resuming import CHANGEABLE
from scripts.render_results import MARKED, documents

ROOT = Path(__file__).parents[1]
PACKAGE = Path(rnnnlp.__file__).parent
README = ROOT / "README.md"
GUIDE = [page for page in sorted((ROOT / "docs" / "guide").glob("*.md")) if page.stem != "index"]
TUTORIALS = [*(ROOT / "docs" / "tutorials").glob("*.md"), *(ROOT / "docs" / "zh-TW").glob("*.md")]
HOWTOS = sorted((ROOT / "docs" / "howto").glob("*.md"))
PAGES = [README, *GUIDE, ROOT / "README.zh-TW.md", *sorted(TUTORIALS), *HOWTOS]
WITHOUT_COMMANDS = {
    *("python", "index", "backpropagation", "spark-dask-datasets"),
    *("add-a-command", "add-a-data-format", "add-an-optimizer"),
}
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/rnnnlp quickstart"
TEST = ".venv/bin/pip install -e '.[test]' && .venv/bin/pytest -n auto"
OF_OTHERS = {  # of scripts, of Docker, of TensorBoard, of Slurm, of a system that serves, of the command of a how-to
    *("--against", "--order", "--model", "--copies", "--rare"),
    *("--rm", "--user"),
    "--logdir",
    *("--mpi", "--times"),
    *("--create-home", "--no-cache-dir", "--now", "--uid"),
    "--first",
}
OF_A_HOWTO = "vocabulary"  # the command that it adds
COMMAND = re.compile(r"(?<!install)(?:^|[\s/])rnnnlp (?=[a-z])(?!import )(.*)")


def blocks(text: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[list[str]]:
    """The words after `rnnnlp` of each command in a block or in the running text, also after `mpiexec` and the like."""
    lines = [line for block in [*blocks(text), *blocks(text, "ini")] for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for line in [*lines, *re.findall(r"^    (.+)$", prose, re.MULTILINE), *re.findall(r"`([^`]+)`", prose)]:
        if match := COMMAND.search(line):
            yield shlex.split(match[1])


def parser_of(command: str) -> Parser:
    parser = Parser(prog="rnnnlp")
    of_command = parser.add_subparsers(dest="command").add_parser(command, allow_abbrev=False)
    load_command(command, of_command)
    return parser


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found = found.union(*map(options_of, action.choices.values()))
    return found


@pytest.fixture(scope="module")
def parsers() -> dict[str, Parser]:
    return {name: parser_of(name) for name in COMMANDS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_are_understood(page: Path, parsers: dict[str, Parser]):
    found = list(commands(page.read_text(encoding="utf-8")))
    assert found or page.stem in WITHOUT_COMMANDS
    for words in found:
        if words[0] == OF_A_HOWTO and page.stem == "add-a-command":
            continue
        assert words[0] in COMMANDS
        given = [word for word in words if word != "--help"]
        incomplete = len(given) < 3 or "--help" in words  # such as `rnnnlp train sentiment`, which names a command
        if not incomplete:
            parse(parsers[words[0]], given)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_options_in_the_text_exist(page: Path, parsers: dict[str, Parser]):
    known = set().union(*map(options_of, parsers.values())) | OF_OTHERS | {OPTION}
    text = MARKED.sub("", page.read_text(encoding="utf-8"))  # the table of results also has commands of scripts
    code = " ".join(re.findall(r"`[^`\n]+`|^```.*?^```$", text, re.MULTILINE | re.DOTALL))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code))
    assert named - known == set()


def calls(page: Path) -> Iterator[tuple[str, ast.Call]]:
    """The name and node of each call in the Python blocks of a page."""
    for block in blocks(page.read_text(encoding="utf-8"), "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                yield name, node


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_arguments_in_python_exist(page: Path):
    exported = {name: getattr(rnnnlp, name) for name in rnnnlp.__all__ if name != "__version__"}
    classes = {name: cls for name, cls in exported.items() if not issubclass(cls, Exception)}
    known: dict[str, set[str]] = {}
    for name, cls in classes.items():
        known[name] = set(inspect.signature(cls).parameters)
        for method, function in inspect.getmembers(cls, callable):
            if not method.startswith("_"):
                known.setdefault(method, set()).update(inspect.signature(function).parameters)
    known["generate"] |= set(inspect.signature(Sampling).parameters)
    known["resume"] |= set(CHANGEABLE)
    seen: list[Any] = []
    for name, call in calls(page):
        if name in known:
            seen.append(name)
            assert {keyword.arg for keyword in call.keywords} <= known[name], f"{page.name}: {ast.unparse(call)}"
    assert seen or page.stem not in ("README", "python")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_environment_variables_are_read_by_the_package(page: Path):
    code = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    named = set(re.findall(r"\bRNNNLP_[A-Z_]+\b", page.read_text(encoding="utf-8")))
    assert {name for name in named if name not in code} == set()


def test_the_readme_is_short_and_has_its_two_commands():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 200
    assert f"\n{INSTALL}\n" in text
    assert f"\n{TEST}\n" in text
    assert "<!-- results:readme -->" in text.splitlines()
    assert README in documents(ROOT)


def test_the_readme_names_every_page_of_the_guide_and_every_folder_of_the_package():
    text = README.read_text(encoding="utf-8")
    for page in GUIDE:
        assert f"(docs/guide/{page.name})" in text
    for init in PACKAGE.glob("*/__init__.py"):
        assert f"\n  {init.parent.name}/ " in text


# What a newcomer asks, and the usual word to search for in the help of a command, in README.md or in the guide.
QUESTIONS = {
    "train longer": ("train sentiment", "training time", "longer"),
    "use my own csv": ("train sentiment", "csv", "csv"),
    "get probabilities": ("predict", "probabilities", "probabilities"),
    "use a GRU": ("train charlm", "gru", "GRU"),
    "see the training curves": ("plot", "training curves", "training curves"),
    "explain a prediction": ("predict", "explain", "Explain a prediction"),
    "continue from a checkpoint": ("train charlm", "continue this run from its last checkpoint", "checkpoint"),
    "limit threads": ("train charlm", "number of threads", "limit the threads"),
    "use it from scikit-learn": (None, None, "scikit-learn"),
    "handle imbalanced classes": ("train sentiment", "imbalanced", "imbalanced"),
    "make text less repetitive": ("generate", "repetition-penalty", "repetitive"),
    "set the temperature": ("generate", "temperature", "temperature"),
    "set the random seed": ("train charlm", "random seed", "random seed"),
    "know how many labels I need": ("curve", "number of labels", "How many labels do I need"),
    "choose texts to label": ("predict", "labels would teach most", "label next"),
    "stop early": ("train charlm", "early stopping", "early stopping"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_usual_word_is_found(question: str, parsers: dict[str, Parser], capsys: pytest.CaptureFixture[str]):
    command, in_help, in_guide = QUESTIONS[question]
    assert in_guide in "".join(page.read_text(encoding="utf-8") for page in [README, *GUIDE])
    if command is not None:
        with pytest.raises(SystemExit):
            parsers[command.split()[0]].parse_args([*command.split(), "--help"])
        assert in_help in " ".join(capsys.readouterr().out.split())
