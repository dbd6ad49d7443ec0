"""The data command: checks, sheets, the drafted section, exported labels that read back."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from fer_tune.cli.main import door
from fer_tune.data.export import labels_digest
from fer_tune.data.loading import index_dataset, load_data, read_dataset
from tests.support import folders

main = door("data")
WRITERS = {
    "raf": folders.write_raf,
    "affectnet": folders.write_affectnet_csv,
    "affectnet arrays": folders.write_affectnet_arrays,
    "ferplus": folders.write_ferplus,
    "manifest": folders.write_manifest,
}
DRAWN = {"kind": "synthetic", "train": 56, "validation": 14, "test": 14}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_folder_is_recognised_counted_and_shown(tmp_path, capsys, kind):
    WRITERS[kind](tmp_path / "mine")
    assert main([str(tmp_path / "mine"), "--results", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "train" in out
    assert "every image can be read" in out
    sheets = list((tmp_path / "out" / "data_checks" / "mine").glob("*.png"))
    assert sheets
    for sheet in sheets:
        assert np.asarray(Image.open(sheet)).std() > 20, "a sheet shows something"
    if kind != "affectnet arrays":
        assert not list((tmp_path / "mine").glob("**/*.npy")), "nothing is written into the user's folder"


def test_a_manifest_gets_a_draft_of_its_section_that_a_study_can_use(tmp_path, capsys):
    folders.write_manifest(tmp_path)
    assert main([str(tmp_path / "faces.csv"), "--results", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    section = yaml.safe_load(out.split("\n\n")[1])["dataset"]
    spec = folders.spec_of(section)
    sets = {s.name: s.names for s in spec.label_sets}
    assert sets["label"] == ("calm", "cross", "glad")
    assert sets["label_b"] == ("0", "1", "2")
    assert sets["affect"] == ("valence", "arousal")
    assert len(index_dataset(spec)) == 60


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("valence", "1.7", "affect must be in [-1, 1]: it is [1.7"),
        ("valence", "high", "valence must be a number: it is 'high'"),
    ],
)
def test_a_bad_cell_is_named_and_neither_adopted_nor_a_reason_to_drop_its_column(
    tmp_path, capsys, column, cell, message
):
    folders.write_manifest(tmp_path)
    table = pd.read_csv(tmp_path / "faces.csv", dtype=str, keep_default_na=False)
    table.loc[4, column] = cell
    table.to_csv(tmp_path / "faces.csv", index=False)
    assert main([str(tmp_path / "faces.csv"), "--results", str(tmp_path / "out")]) == 2
    assert f"faces.csv:6: {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: does not exist"),
        (["."], "holds neither a table of images and labels nor folders"),
        (["study.yaml"], "study.yaml: cannot be read"),
        (["export-labels", "study.yaml"], "study.yaml: cannot be read"),
    ],
)
def test_what_cannot_be_used_is_one_message_and_exit_code_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_second_data_set_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["one", "two"])
    assert stopped.value.code == 2
    assert "unrecognized arguments: two" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["export-labels", "--results"], ["--results"]])
def test_export_labels_may_stand_before_or_after_other_options(tmp_path, capsys, words):
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({"name": "shared", "dataset": DRAWN, "training": {"batch_size": 16}}))
    rest = [] if words[0] == "export-labels" else ["export-labels"]
    assert main([*words, str(tmp_path / "out"), *rest, str(study)]) == 0
    assert capsys.readouterr().out.startswith("all,s0: ")


@pytest.mark.parametrize("kind", ["raf", "affectnet", "affectnet arrays", "manifest", "synthetic"])
def test_exported_labels_read_back_as_the_labels_a_study_trains_on(tmp_path, capsys, kind):
    extra = {"machine": True} if kind == "raf" else {}
    settings = WRITERS[kind](tmp_path / "mine", **extra) if kind in WRITERS else DRAWN
    noise = {"kind": "symmetric", "ratio": 0.4}
    study = {"name": "shared", "dataset": settings, "noise": noise, "seeds": [3, 4], "training": {"batch_size": 16}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    assert main(["export-labels", str(tmp_path / "study.yaml"), "--results", str(tmp_path / "out")]) == 0
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    for seed in (3, 4):
        told = json.loads(lines[f"all,s{seed}"])
        trained = load_data(settings, noise, seed)
        assert told.pop("digest") == labels_digest(trained.labels)
        back = read_dataset(folders.spec_of({**settings, **told, **place(kind, tmp_path)}))
        for split in ("train", "validation"):
            members = trained.dataset.splits[split]
            for name, values in trained.labels.items():
                assert np.array_equal(back.labels[name][members], values[members], equal_nan=name == "affect")


def place(kind, tmp_path):
    """A manifest that lies elsewhere names its image folder."""
    return {"folder": str(tmp_path / "mine")} if kind == "manifest" else {}


def test_a_data_set_without_a_label_format_is_named(tmp_path, capsys):
    study = {"name": "votes", "dataset": folders.write_ferplus(tmp_path / "mine")}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    assert main(["export-labels", str(tmp_path / "study.yaml"), "--results", str(tmp_path / "out")]) == 2
    assert "labels of ferplus cannot be exported" in capsys.readouterr().err


def test_labels_that_are_drawn_or_searched_cannot_be_exported(tmp_path, capsys):
    study = {"name": "sampled", "dataset": DRAWN, "conditions": {"noise_ratio": {"sample": [0.1, 0.5]}}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**study, "training": {"batch_size": 16}}))
    assert main(["export-labels", str(tmp_path / "study.yaml"), "--results", str(tmp_path / "out")]) == 2
    assert "export-labels: the study samples or searches noise_ratio" in capsys.readouterr().err


def test_a_drawn_data_set_is_counted_and_shown(tmp_path, capsys):
    (tmp_path / "study.yaml").write_text(
        yaml.safe_dump({"name": "d", "dataset": DRAWN, "training": {"batch_size": 16}})
    )
    assert main([str(tmp_path / "study.yaml"), "--results", str(tmp_path / "out")]) == 0
    assert "56 training, 14 validation and 14 test faces (synthetic)" in capsys.readouterr().out
    assert (tmp_path / "out" / "data_checks" / "d" / "emotion.png").exists()
