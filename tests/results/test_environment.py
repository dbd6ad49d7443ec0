"""What is recorded of software and machine."""

import json

from fer_tune.results.environment import PACKAGES, environment


def test_environment_holds_versions_and_no_variables(monkeypatch):
    monkeypatch.setenv("A_SECRET", "do-not-write-me")
    about = environment(["b", "a"])
    assert "do-not-write-me" not in json.dumps(about)
    assert about["format_version"] == 1
    assert about["data_digests"] == ["a", "b"]
    assert set(about["packages"]) == set(PACKAGES)
    assert about["packages"]["torch"]


def test_the_command_is_recorded_by_the_name_of_its_door(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/fer-tune", "run", "smoke"])
    assert environment([])["command"] == ["fer-tune", "run", "smoke"]
    monkeypatch.setattr("sys.argv", ["/x/fer_tune/run.py", "smoke.yaml"])
    assert environment([])["command"] == ["python", "-m", "fer_tune.run", "smoke.yaml"]
