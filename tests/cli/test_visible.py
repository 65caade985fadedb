"""No text of others acts on a terminal or a page: escape sequences, line ends, and marks that turn text around."""

import ast
import io
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from rnnnlp.cli.main import main
from rnnnlp.display import has_acting
from rnnnlp.tensors import save_tensors
from tests.cli.messages import PACKAGE, parsed

ESCAPE = "\x1b]0;OWNED\x07\x1b[2J\x9b31m\u202e"
STRANGE = f"good {ESCAPE} film"
TINY = "--hidden-size 4 --embedding-size 3 --steps 2 --batch-size 2 --evaluations 1 --backend numpy".split()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that were trained on data whose texts, and whose name, would act on a terminal."""
    home = tmp_path_factory.mktemp("home") / f"a\nrnnnlp: error: all is lost {ESCAPE}`|<b>"
    home.mkdir()
    rows = [{"text": f"{STRANGE} {i}", "label": "good" if i % 3 else "bad"} for i in range(30)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (home / "rows.jsonl").write_text(lines)
    (home / "rows.txt").write_bytes(("\ufeff" + f"{STRANGE}\n" * 20).encode())
    for kind, data, more in (("sentiment", "rows.jsonl", []), ("charlm", "rows.txt", ["--bptt", "8"])):
        assert main(["train", kind, "--data", str(home / data), "--out", str(home / kind), *TINY, *more]) == 0
    forged = home / "forged"
    shutil.copytree(home / "sentiment", forged)
    config = json.loads((forged / "config.json").read_text(encoding="utf-8"))
    config["model"]["labels"] = [f"{ESCAPE}X", "good\t0.99\tfilm\nfake"]
    config["training"]["data"] = f"{ESCAPE}\n.csv"
    tensors = load_file(forged / "model.safetensors")
    (forged / "config.json").write_text(json.dumps(config))
    save_tensors(forged / "model.safetensors", tensors, beside=("config.json", "tokenizer.json"))
    (forged / "strange.jsonl").write_text(json.dumps({"text": STRANGE, "label": config["model"]["labels"][1]}) + "\n")
    return home


COMMANDS = {  # the exit code, and the number of lines on standard output
    "predict {home}/sentiment {text}": (0, 1),
    "predict {home}/sentiment --explain {text}": (0, 2),
    "predict {home}/sentiment --file {home}/rows.jsonl": (0, 30),
    "predict {home}/forged {text}": (0, 1),
    "predict {home}/sentiment --file {home}/rows.jsonl --uncertain 3": (2, 0),
    "curve --data {home}/rows.jsonl --sizes 9 --seeds 1 --no-baseline": (0, 5),
    "curve --data {home}/nothing --json {home}/new.jsonl": (2, 0),
    "evaluate {home}/sentiment --data {home}/rows.jsonl --split all --mistakes 3": (0, 11),
    "evaluate {home}/sentiment --data {home}/rows.jsonl --data {home}/rows.jsonl --split all": (0, 4),
    "evaluate {home}/charlm": (0, 1),
    "status {home}/sentiment": (0, 8),
    "status {home}/forged": (0, 8),
    "generate {home}/charlm --prompt {text} --length 300 --temperature 3": (0, None),
    "train charlm --data {home}/rows.txt --out {home}/new --overwrite --bptt 8": (0, 0),
    "train sentiment --resume {home}/sentiment --steps 3": (0, 0),
    "train charlm --resume {home}/forged": (2, 0),
    "train charlm --data {home}/nothing --out {home}/new2": (2, 0),
    "plot {home}/charlm --out {home}/nothing/curves.jpg": (2, 0),
    "ensemble {home}/sentiment {home}/forged --out {home}/together": (2, 0),
}


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_acts(command: str, terminal: bool, home: Path, monkeypatch: pytest.MonkeyPatch):
    kind = Terminal if terminal else io.TextIOWrapper
    out, err = (kind(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("NO_COLOR", "1")
    words = [word.format(home=home, text=STRANGE) for word in command.split()]
    if words[0] in ("train", "curve") and "--resume" not in words:
        words += TINY
    code = main(words)
    err.flush()
    out.flush()
    said, logged = (stream.buffer.getvalue().decode("utf-8", "surrogateescape") for stream in (out, err))
    expected, lines = COMMANDS[command]
    assert code == expected, logged
    if "looks like the text itself" not in logged:  # which shortens the name
        assert "\\x1b]0;OWNED" in said + logged or (words[0] == "generate" and not terminal)
    if words[0] != "generate":
        assert [line for line in said.split("\n") if has_acting(line.replace("\t", ""))] == []
        assert said.count("\n") == lines
    elif terminal:
        assert not has_acting(said.replace("\n", "").replace("\t", ""))
        assert said.startswith("good \\x1b]0;OWNED\\x07\\x1b[2J\\x9b31m\\u202e film")
    else:  # a program gets the text itself
        assert said.startswith(STRANGE)
    bars = logged.replace("\r", "\n").replace("\x1b[A", "")  # of tqdm
    assert [line for line in bars.split("\n") if has_acting(line)] == []
    assert not any(line.startswith("rnnnlp: error: all is lost") for line in bars.split("\n"))


def test_coloured_words_are_visible(home: Path, monkeypatch: pytest.MonkeyPatch):
    out = Terminal(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["predict", str(home / "sentiment"), "--explain", STRANGE]) == 0
    out.flush()
    said = out.buffer.getvalue().decode()
    for begin in ("\x1b[32m", "\x1b[31m", "\x1b[1;32m", "\x1b[1;31m", "\x1b[0m"):
        said = said.replace(begin, "")
    assert not has_acting(said.replace("\n", "").replace("\t", ""))
    assert "OWNED" in said


def test_json_for_programs_has_the_text_itself(home: Path, capsys: pytest.CaptureFixture, tmp_path: Path):
    for target in ("-", str(tmp_path / "out.json")):
        assert main(["predict", str(home / "forged"), "--json", target, STRANGE]) == 0
        said = capsys.readouterr().out if target == "-" else Path(target).read_text()
        assert json.loads(said)["text"] == STRANGE
        assert "good\t0.99\tfilm\nfake" in json.loads(said)["probabilities"]
        assert not has_acting(said.replace("\n", ""))
    target = str(tmp_path / "figures.json")
    assert main(["evaluate", str(home / "sentiment"), "--data", str(home / "rows.jsonl"), "--json", target]) == 0
    assert json.loads(Path(target).read_text())["data"] == str(home / "rows.jsonl")
    assert not has_acting(Path(target).read_text().replace("\n", ""))


def test_a_model_card_has_no_markup_of_others(home: Path):
    for name in ("sentiment", "charlm"):
        card = (home / name / "README.md").read_text(encoding="utf-8")
        assert not has_acting(card.replace("\n", ""))
        lines = card.split("\n")
        assert not any(line.startswith("rnnnlp: error") for line in lines)
        outside = [line for line in lines if "<b>" in line and not line.startswith("    ") and "`` " not in line]
        assert outside == []


@pytest.mark.parametrize("label", ["a\nb", "a\tb", f"a{ESCAPE}b", "\u202eb"], ids=ascii)
def test_labels_with_control_characters_are_refused(label: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    rows = [{"text": "a film", "label": "good"}, {"text": "a film", "label": label}] * 5
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["train", "sentiment", "--data", str(tmp_path / "rows.jsonl"), "--out", str(tmp_path / "run"), *TINY]
    assert main(words) == 2
    assert "; it has control characters or line ends: expected a name" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


# ------------------------------------------------------------------------------------------------------ in the source

# The only functions that print, and what makes text visible in them.
PRINTING = {
    ("cli/output.py", "show"): "visible(",
    ("cli/output.py", "show_bytes"): "visible(",
    ("cli/output.py", "show_json"): "visible_json(",
    ("cli/main.py", "log_to_stderr"): "LogHandler(",
    ("training/progress.py", "say"): "visible(",
}
CALLS = {
    "print",
    "input",
    "print_exc",
    "print_exception",
    "StreamHandler",
    "LogHandler",
    "basicConfig",
    "warn",
    "showwarning",
}
DESCRIPTIONS = {"set_description", "set_description_str", "set_postfix", "set_postfix_str"}


def functions(tree: ast.AST, name: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Each node, with the name of the function around it."""
    for child in ast.iter_child_nodes(tree):
        inner = child.name if isinstance(child, ast.FunctionDef) else name
        yield inner, child
        yield from functions(child, inner)


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def prints(node: ast.AST) -> bool:
    """Whether a call writes to the terminal."""
    if not isinstance(node, ast.Call):
        return False
    name = name_of(node)
    if name in CALLS:
        return True
    on = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    if name in ("write", "writelines") and on == "os":
        return isinstance(node.args[0], ast.Constant)  # 1 or 2
    if name in ("write", "writelines"):
        return on in ("sys.stdout", "sys.stderr", "tqdm", "self.bar", "bar") or on.endswith(".buffer")
    return name == "exit" and on == "sys" and isinstance(node.args[0], ast.JoinedStr)


def test_only_these_functions_print():
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE).as_posix()
        for function, node in functions(parsed(path)):
            if prints(node):
                found.setdefault((file, function), []).append(ast.unparse(node))
    assert found.keys() == PRINTING.keys()


@pytest.mark.parametrize(("file", "function"), PRINTING)
def test_what_they_print_is_visible(file: str, function: str):
    source = (PACKAGE / file).read_text(encoding="utf-8")
    (definition,) = [
        node for node in ast.walk(parsed(PACKAGE / file)) if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    assert PRINTING[file, function] in (ast.get_source_segment(source, definition) or "")


def test_progress_bars_show_numbers_and_visible_text():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for _, node in functions(parsed(path)):
            if isinstance(node, ast.Call) and name_of(node) == "tqdm":
                given = [keyword.value for keyword in node.keywords if keyword.arg == "desc"]
                wrong += [value for value in given if not is_harmless(value)]
            elif isinstance(node, ast.Call) and name_of(node) in DESCRIPTIONS:
                wrong += [value for value in node.args if not is_harmless(value)]
    assert list(map(ast.unparse, wrong)) == []


def is_harmless(value: ast.expr) -> bool:
    """Whether an expression has no text of others: a constant, visible text, a number, or these in a string."""
    if isinstance(value, ast.JoinedStr):
        return all(is_harmless(part) for part in value.values)
    if isinstance(value, ast.FormattedValue):
        return value.format_spec is not None or is_harmless(value.value)
    if isinstance(value, ast.Call):
        return name_of(value) in ("visible", "short", "minutes")
    return isinstance(value, ast.Constant) or ast.unparse(value) == "self.clock.step"
