"""Scripts say in one line what is wrong with the data or the run that they are given."""

import check_exports
import load_server
import pytest


def test_exports_of_data_that_are_not_there(capsys: pytest.CaptureFixture[str]):
    assert check_exports.main(["--data", "nowhere.csv"]) == 2
    assert "nowhere.csv" in capsys.readouterr().err


@pytest.mark.parametrize(("run", "data"), [("nowhere", "reviews.csv"), ("reviews-en", "nowhere.csv")])
def test_load_of_what_is_not_there(run: str, data: str, tmp_path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: name)
    (tmp_path / "reviews.csv").write_text("text\na good film\n")
    assert load_server.main([run, "--data", data]) == 2
    assert "nowhere" in capsys.readouterr().err
