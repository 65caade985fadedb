"""The script for a shell knows all commands and options, and bash completes with it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from rnnnlp.cli.completion import SHELLS
from rnnnlp.cli.main import COMMANDS, main
from tests.conftest import PATIENCE

pytest.importorskip("shtab", reason="needs shtab")


def script_for(shell: str, capsys: pytest.CaptureFixture, *before: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*before, "--print-completion", shell])
    assert ended.value.code in (0, None)
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_has_all_commands_and_their_options(shell: str, capsys: pytest.CaptureFixture):
    script = script_for(shell, capsys)
    assert [name for name in COMMANDS if name not in script] == []
    assert all(option in script for option in ("hidden-size", "repetition-penalty", "charlm"))
    assert script_for(shell, capsys, "--quiet") == script


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["rnnnlp", "qui"], "quickstart"),
        (["rnnnlp", "train", "char"], "charlm"),
        (["rnnnlp", "train", "charlm", "--hidden"], "--hidden-size"),
        (["rnnnlp", "predict", "run"], "runs"),
    ],
)
def test_bash_completes(words: list[str], found: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "script").write_text(script_for("bash", capsys))
    (tmp_path / "runs").mkdir()
    ask = (
        'source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_shtab_rnnnlp rnnnlp "${@: -1}" ""; echo "${COMPREPLY[@]}"'
    )
    ended = subprocess.run(
        ["bash", "-c", ask, "bash", *words], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
    )
    assert found in ended.stdout.split(), ended
