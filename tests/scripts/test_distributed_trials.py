"""scripts/distributed_trials.py: what a run must say when it ends."""

AT_START = "if a process is lost, resume with: mpiexec -n 2 rnnnlp train charlm --resume first\n"
AT_END = "rnnnlp: stopped by SIGTERM; resume with: mpiexec -n 2 rnnnlp train charlm --resume 'last one'\n"


def test_only_a_run_that_is_lost_without_a_word_may_leave_the_command_to_its_start():
    from distributed_trials import command_to_resume

    assert command_to_resume("kill", AT_START) == ["train", "charlm", "--resume", "first"]
    assert command_to_resume("SIGTERM", AT_START) == []
    for kind in ("kill", "SIGTERM"):
        assert command_to_resume(kind, AT_START + AT_END) == ["train", "charlm", "--resume", "last one"]
