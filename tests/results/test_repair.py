"""Damaged files of a results folder are set aside and named; everything else goes on."""

import json

import pytest

from fer_tune.results.files import read_json, write_json
from fer_tune.results.records import Status
from fer_tune.results.repair import repair, version_problem
from fer_tune.run import main
from tests.support.commands import run_command
from tests.support.tables import assert_equal_tables


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def first_file(results, name):
    """The first file of that name, not of a warm-up."""
    return next(p for p in sorted(results.rglob(name.rpartition("/")[2])) if "warm_up" not in str(p))


def test_a_whole_folder_is_left_as_it_is(finished):
    assert repair(finished.results) == []
    assert not list(finished.results.rglob("*.damaged"))


FILES = ("study.json", "environment.json", "run.json", "data/digests.json", "images.npy", "labels.npz")
ENDS = ("predictions.csv", "predictions_validation.csv", "labels.json")


@pytest.mark.parametrize("name", [*FILES, *ENDS, "trial.json", "result.json", "history.csv", "state.pt"])
def test_each_file_that_is_cut_short_is_set_aside_and_named(finished, name):
    place = first_file(finished.results, name)
    cut(place)
    (said,) = repair(finished.results)
    assert place.name in said or "data/" in said
    assert "damaged" in said
    assert list(finished.results.rglob("*.damaged"))
    assert repair(finished.results) == []


@pytest.mark.parametrize("name", ["study.json", "data/digests.json", "trial.json", "result.json"])
def test_a_file_that_is_json_and_not_what_it_should_be_is_set_aside(finished, name):
    place = first_file(finished.results, name)
    place.write_text("[1]")
    (said,) = repair(finished.results)
    assert place.name in said
    assert repair(finished.results) == []


def test_a_second_damage_of_the_same_file_keeps_the_first(finished):
    place = finished.results / "run.json"
    for _ in range(2):
        place.write_text("{")
        repair(finished.results)
    assert sorted(path.name for path in finished.results.glob("run.json*")) == [
        "run.json.2.damaged", "run.json.damaged",
    ]  # fmt: skip


def test_a_history_or_record_that_is_missing_is_noticed(finished):
    first, second = finished.trials()
    (first.path / "history.csv").unlink()
    (second.path / "trial.json").unlink()
    said = "\n".join(repair(finished.results))
    assert "history.csv damaged or missing" in said
    assert "trial.json damaged or missing" in said
    assert first.result() is None
    assert second.result() is None


def test_predictions_that_lack_lines_are_noticed(finished):
    path = finished.trials()[0].path / "predictions_validation.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-3]))
    (said,) = repair(finished.results)
    assert "predictions_validation.csv damaged or missing" in said


def test_a_flipped_byte_in_a_warm_ups_state_is_noticed(finished):
    state = next(finished.results.glob("trials/*warm_up*/state.pt"))
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 255
    state.write_bytes(content)
    (said,) = repair(finished.results)
    assert "state.pt was damaged" in said
    assert not state.exists()


@pytest.mark.serial
def test_a_study_with_every_kind_of_damage_ends_with_the_tables_it_had(smoke, smoke_copy):
    """A trial that failed in the earlier run is run again too."""
    results = smoke_copy.results
    trials = smoke_copy.trials()
    for folder, name in zip(trials, ("trial.json", "result.json", "history.csv", "state.pt"), strict=False):
        cut(folder.path / name)
    (trials[4].path / "result.json").unlink()
    cut(trials[4].state)
    trials[5].end(Status.FAILED, "val_accuracy", "worker lost")
    trials[5].state.unlink()
    cut(results / "run.json")
    cut(results / "study.json")
    cut(next(results.glob("data/*/images.npy")))
    (results / "trials.csv").write_text("key,")
    done = run_command(*smoke_copy.options, "--resume", cwd=results.parent.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("repaired: ") == 8
    assert "Traceback" not in done.stderr
    assert_equal_tables(results, smoke[0])


@pytest.mark.parametrize(("version", "refused"), [(0, True), (2, True), (1, False)])
def test_a_folder_of_another_version_is_named_and_left_alone(finished, capsys, version, refused):
    about = read_json(finished.results / "environment.json")
    write_json(finished.results / "environment.json", {**about, "format_version": version})
    assert bool(version_problem(finished.results)) == refused
    if refused:
        assert main([*finished.options, "--resume"]) == 2
        error = capsys.readouterr().err
        assert f"format version {version}" in error
        assert "--from" in error
        assert len(error.splitlines()) == 1


def test_a_study_whose_file_lacks_newer_settings_is_resumed(finished):
    study = json.loads((finished.results / "study.json").read_text())
    del study["resources"]["deterministic"], study["training"]["augment"]
    (finished.results / "study.json").write_text(json.dumps(study))
    assert main([*finished.options, "--resume"]) == 0
