"""One folder for each class."""

from pathlib import Path

import pytest

from fer_tune import ModelSpec, Trainer, TrainingSpec, load_data
from fer_tune.data.detect import detect
from fer_tune.data.errors import DataError
from fer_tune.data.folders import FoldersSpec, draft_folders
from fer_tune.data.loading import index_dataset
from fer_tune.run import main
from tests.support.folders import write_pictures

KAGGLE = {"train/angry": 8, "train/happy": 9, "train/neutral": 7, "test/angry": 3, "test/happy": 3, "test/neutral": 3}


def write_folders(root: Path, counts: dict[str, int]) -> Path:
    """Folders with so many small pictures each."""
    for name, count in counts.items():
        write_pictures(root / name, count)
    return root


def drafted(root: Path) -> FoldersSpec:
    return FoldersSpec.model_validate({**detect(root).section, "image_size": 32})


def names_of(index, split):
    classes = index.label_sets[0].names
    return sorted(classes[index.labels["emotion"][i]] for i in index.splits[split])


def test_folders_of_splits_and_classes_are_recognised_and_read(tmp_path):
    draft = detect(write_folders(tmp_path, KAGGLE))
    assert draft.section == {"kind": "folders", "folder": str(tmp_path), "classes": ["angry", "happy", "neutral"]}
    assert draft.remarks == (
        "one folder a class in each of test, train: 33 images",
        "3 classes: angry, happy, neutral",
    )
    index = index_dataset(drafted(tmp_path))
    assert names_of(index, "test") == ["angry"] * 3 + ["happy"] * 3 + ["neutral"] * 3
    assert len(index.splits["train"]) + len(index.splits["validation"]) == 24
    assert len(index.splits["validation"]) == 3  # a tenth, and one of each class at least
    where = dict(zip((s.path for s in index.sources), index.labels["emotion"].tolist(), strict=True))
    assert where["test/happy/0.jpg"] == 1


@pytest.mark.parametrize("word", ["val", "valid", "validation"])
def test_a_folder_of_validation_images_is_used(tmp_path, word):
    index = index_dataset(drafted(write_folders(tmp_path, {**KAGGLE, f"{word}/angry": 2, f"{word}/happy": 4})))
    assert names_of(index, "validation") == ["angry"] * 2 + ["happy"] * 4


def test_other_words_for_splits_stand_in_the_draft(tmp_path):
    counts = {f"{split}/{name}": 4 for split in ("Training", "PublicTest", "PrivateTest") for name in ("sad", "fear")}
    draft = detect(write_folders(tmp_path, counts))
    assert draft.section["splits"] == {"PublicTest": "val", "PrivateTest": "test"}
    index = index_dataset(FoldersSpec.model_validate(draft.section))
    assert {split: len(members) for split, members in index.splits.items()} == dict.fromkeys(
        ("train", "validation", "test"), 8
    )


def test_without_folders_of_splits_they_are_drawn(tmp_path):
    draft = detect(write_folders(tmp_path, {"angry": 20, "happy": 20}))
    assert "no folders of splits: validation and test are drawn" in draft.remarks
    index = index_dataset(drafted(tmp_path))
    assert [len(index.splits[split]) for split in ("train", "validation", "test")] == [32, 4, 4]


def test_folders_of_an_unpacked_archive_are_passed_through(tmp_path):
    write_folders(tmp_path / "archive" / "fer2013", KAGGLE)
    (tmp_path / "archive" / "__MACOSX").mkdir()
    assert detect(tmp_path).section["folder"] == str(tmp_path / "archive" / "fer2013")


def test_numbers_stay_the_names_of_classes_and_this_is_said(tmp_path):
    draft = detect(write_folders(tmp_path, {f"train/{k}": 5 for k in (1, 2, 7)}))
    assert draft.section["classes"] == ["1", "2", "7"]
    assert any(remark.startswith("the folders are numbers") for remark in draft.remarks)
    named = {**draft.section, "classes": ["surprise", "fear", "neutral"]}
    map_ = {"1": "surprise", "2": "fear", "7": "neutral"}
    index = index_dataset(FoldersSpec.model_validate({**named, "map": map_}))
    assert index.labels["emotion"][[s.path == "train/7/0.jpg" for s in index.sources]].tolist() == [2]


def test_spellings_of_one_class_are_proposed_and_never_applied_by_themselves(tmp_path):
    write_folders(tmp_path, {"train/happy": 9, "train/sad": 9, "test/Happiness": 3, "test/sad": 3})
    draft = detect(tmp_path)
    assert draft.section["map"] == {"Happiness": "happy"}
    assert "3 spellings of 2 classes: Happiness -> happy (3 images) (`map`)" in draft.remarks
    with pytest.raises(DataError) as caught:
        index_dataset(FoldersSpec.model_validate({**draft.section, "map": None}))
    assert "must be one of happy, sad: it is 'Happiness'" in str(caught.value)
    assert "`map: {Happiness: happy}`" in str(caught.value)
    assert names_of(index_dataset(drafted(tmp_path)), "test") == ["happy"] * 3 + ["sad"] * 3


def test_a_folder_that_map_leaves_out_is_left_out_and_counted(tmp_path):
    write_folders(tmp_path, {"train/happy": 9, "train/sad": 9, "train/unknown": 4})
    spec = {"kind": "folders", "folder": str(tmp_path), "classes": ["happy", "sad"], "map": {"unknown": None}}
    index = index_dataset(FoldersSpec.model_validate(spec))
    assert len(index) == 18
    assert "left out 4 images of folders that `map` gives no class" in index.notes


def test_empty_folders_and_files_that_are_no_images_are_left_out(tmp_path):
    write_folders(tmp_path, {"happy": 5, "sad": 5, "logs": 0})
    (tmp_path / "happy" / "notes.txt").write_text("none")
    (tmp_path / "happy" / "._0.jpg").write_bytes(b"of another system")
    draft = detect(tmp_path)
    assert draft.section["classes"] == ["happy", "sad"]
    assert "left out, because they hold no image: logs" in draft.remarks
    assert len(index_dataset(drafted(tmp_path))) == 10


@pytest.mark.parametrize("counts", [{}, {"only": 5}, {"train/only": 5}, {"a": 0, "b": 0}])
def test_what_is_no_folder_of_classes_is_none(tmp_path, counts):
    assert draft_folders(write_folders(tmp_path, counts)) is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"folder": "nowhere"}, "does not exist"),
        ({"classes": ["happy"]}, "classes"),
        ({"classes": ["happy", "happy"]}, "two different names"),
        ({"classes": ["happy", "sad"], "map": {"glad": "gladness"}}, "gladness"),
        ({"name": "joint"}, "joint"),
    ],
)
def test_wrong_settings_are_one_message(tmp_path, spec, message):
    own = {"kind": "folders", "folder": str(tmp_path), "classes": ["happy", "sad"], **spec}
    with pytest.raises(ValueError, match=message):
        index_dataset(FoldersSpec.model_validate(own))


def test_the_command_drafts_checks_and_writes_a_study(tmp_path, capsys, monkeypatch):
    write_folders(tmp_path / "faces", KAGGLE)
    monkeypatch.chdir(tmp_path)
    from fer_tune.cli.main import main as command

    assert command(["data", "faces", "--draft", "mine.yaml"]) == 0
    out = capsys.readouterr().out
    assert "kind: folders" in out
    assert "33 samples: 21 train, 3 validation, 9 test" in out
    assert main(["mine.yaml", "--dry-run"]) == 0


def test_a_network_trains_on_folders(tmp_path):
    section = detect(write_folders(tmp_path, KAGGLE)).section
    data = load_data({**section, "image_size": 32}, {"ratio": 0.0})
    trainer = Trainer(data, ModelSpec(width=0.125), TrainingSpec(lam=0.3, epochs=1, batch_size=8))
    assert 0 <= trainer.run_epoch()["val_accuracy"] <= 1
