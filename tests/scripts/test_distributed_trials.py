"""scripts/distributed_trials.py: what a run must say when it ends, and that hosts are removed."""

import subprocess

import pytest

AT_START = "if a process is lost, resume with: mpiexec -n 2 rnnnlp train charlm --resume first\n"
AT_END = "rnnnlp: stopped by SIGTERM; resume with: mpiexec -n 2 rnnnlp train charlm --resume 'last one'\n"


def test_only_a_run_that_is_lost_without_a_word_may_leave_the_command_to_its_start():
    from distributed_trials import command_to_resume

    assert command_to_resume("kill", AT_START) == ["train", "charlm", "--resume", "first"]
    assert command_to_resume("SIGTERM", AT_START) == []
    for kind in ("kill", "SIGTERM"):
        assert command_to_resume(kind, AT_START + AT_END) == ["train", "charlm", "--resume", "last one"]


def test_hosts_that_cannot_be_made_are_removed(monkeypatch: pytest.MonkeyPatch):
    import several_hosts

    said = []

    def run(words: list[str] | tuple[str, ...], check: bool) -> None:
        said.append(" ".join(words))
        if check and "netns add" in said[-1]:
            raise subprocess.CalledProcessError(1, words)

    monkeypatch.setattr(subprocess, "run", run)
    hosts = several_hosts.Hosts(1)
    with pytest.raises(subprocess.CalledProcessError), hosts:
        pass
    assert said[-2:] == [f"ip netns del {hosts.host(1)}", f"ip link del {hosts.prefix}"]
    assert not hosts.login.exists()
