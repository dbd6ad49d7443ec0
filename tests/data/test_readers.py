"""Every reader on a small folder in the real format: what it reads, and what it says of what is wrong."""

import csv
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter

from fer_tune.data.dataset import open_dataset
from fer_tune.data.errors import DataError
from fer_tune.data.kinds import DatasetSpec
from fer_tune.data.labels import EMOTIONS
from fer_tune.data.loading import index_dataset, load_data, read_dataset, write_dataset
from tests.support import folders


def spec_of(settings, **changes):
    return TypeAdapter(DatasetSpec).validate_python({**settings, **changes})


def index_of(settings, **changes):
    return index_dataset(spec_of(settings, **changes))


def names_of(index, split):
    return {Path(index.sources[i].path).name for i in index.splits[split]}


def test_raf_joins_by_name_and_splits_by_prefix(tmp_path):
    index = index_of(folders.write_raf(tmp_path))
    assert names_of(index, "test") == {f"test_{i:05d}_aligned.jpg" for i in range(1, 15)}
    assert len(index.splits["train"]) == 35 and len(index.splits["validation"]) == 7
    assert sorted(index.labels["emotion"][index.splits["validation"]]) == list(range(7))
    for source, label in zip(index.sources, index.labels["emotion"], strict=True):
        assert label == (int(Path(source.path).name.split("_")[1]) - 1) % 7
    assert [s.name for s in index.label_sets] == ["emotion"]


def test_raf_machine_annotations_replace_training_labels_alone(tmp_path):
    settings = folders.write_raf(tmp_path, machine=True)
    index, own = index_of(settings), index_of({"kind": "raf", "folder": str(tmp_path)})
    train, test = index.splits["train"], index.splits["test"]
    assert 0.2 < (index.labels["emotion"] != own.labels["emotion"])[train].mean() < 0.5
    assert (index.labels["emotion"] == own.labels["emotion"])[test].all()
    assert (index.known["emotion"] == own.labels["emotion"]).all() and not own.known
    assert np.isnan(index.labels["affect"][test]).all() and np.abs(index.labels["affect"][train]).max() == 1
    assert "33.3% of the training" in index.notes[0] and "of 17 training samples" in index.notes[1]


@pytest.mark.parametrize("second", ["validation.csv", "validate.csv"])
def test_affectnet_csv_keeps_seven_classes_cuts_the_box_and_tests_on_the_official_set(tmp_path, second):
    settings = folders.write_affectnet_csv(tmp_path, second=second)
    index = index_of(settings)
    assert {k: len(v) for k, v in index.splits.items()} == {"train": 35, "validation": 7, "test": 21}
    assert set(index.labels["emotion"]) == set(range(7)) and "left out 36 rows" in index.notes[0]
    data = read_dataset(spec_of(settings, image_size=32))
    red = (data.images[:, 0].astype(int) - data.images[:, 1]).mean()  # the red surround is cut away
    assert red < 60 and len(index_of(settings, classes=8).splits["train"]) == 40
    assert read_dataset(spec_of(settings, image_size=32, aligned=True)).images[:, 0].mean() > data.images[:, 0].mean()


def test_affectnet_arrays_read_the_same_way(tmp_path):
    index = index_of(folders.write_affectnet_arrays(tmp_path))
    assert {k: len(v) for k, v in index.splits.items()} == {"train": 49, "validation": 7, "test": 28}
    i = index.splits["test"][3]
    number = int(Path(index.sources[i].path).stem)
    assert index.labels["emotion"][i] == number % 8
    assert index.labels["affect"][i] == pytest.approx([number % 9 / 4 - 1, number % 5 / 4 - 0.5], abs=1e-3)


def test_affectnet_machine_annotations_join_by_path_and_the_original_expression_rules(tmp_path):
    settings = folders.write_affectnet_csv(tmp_path)
    rows = [row for row in folders.affectnet_rows(66, "1") if int(row[6]) < 7]
    for row in rows:
        row[6], row[7] = str((int(row[6]) + 1) % 7), "1.3"
    with open(tmp_path / "machine.csv", "w", newline="") as file:
        csv.writer(file).writerows([folders.AFFECTNET_HEADER, *reversed(rows)])
    own, index = index_of(settings), index_of(settings, machine_labels=str(tmp_path / "machine.csv"))
    for split in ("train", "validation"):
        assert (
            index.labels["emotion"][index.splits[split]] == (own.labels["emotion"][own.splits[split]] + 1) % 7
        ).all()
    assert (index.labels["emotion"][index.splits["test"]] == own.labels["emotion"][own.splits["test"]]).all()
    assert (index.known["emotion"] == own.labels["emotion"]).all()
    assert "100.0%" in index.notes[1] and "of 42 lay outside" in index.notes[1]


def test_cifar10_has_three_annotators_whose_noise_is_as_asked_and_whose_test_labels_are_true(tmp_path):
    settings = folders.write_cifar10(tmp_path, each=400)
    data = load_data(settings, {"ratios": {"annotator_1": 0.2, "annotator_2": 0.3, "annotator_3": 0.4}}, seed=3)
    train, test = data.dataset.splits["train"], data.dataset.splits["test"]
    for name, ratio in (("annotator_1", 0.2), ("annotator_2", 0.3), ("annotator_3", 0.4)):
        wrong = data.labels[name] != data.dataset.labels[name]
        assert wrong[train].mean() == pytest.approx(ratio, abs=0.04) and not wrong[test].any()
    assert data.dataset.images.shape == (2400, 3, 32, 32) and data.dataset.augmentation == "crop"


def test_cifar10_batches_are_verified_by_their_published_digests_before_they_are_opened(tmp_path):
    settings = {**folders.write_cifar10(tmp_path), "verify": True}
    with pytest.raises(DataError, match=r"data_batch_1: is not the published file"):
        index_of(settings)


class Evil:
    def __reduce__(self):
        return Path.write_text, (Path(Evil.target), "was here")


def test_a_malicious_batch_runs_nothing(tmp_path):
    Evil.target = str(tmp_path / "pwned")
    settings = folders.write_cifar10(tmp_path, dump=lambda batch: pickle.dumps({**batch, b"extra": Evil()}))
    with pytest.raises(DataError, match=r"no CIFAR-10 batch: it asks for pathlib"):
        index_of(settings)
    torch.save({"clean_label": Evil()}, tmp_path / "human.pt")
    with pytest.raises(DataError, match=r"human\.pt: is no CIFAR-10N label file"):
        index_of(folders.write_cifar10(tmp_path / "b"), human_labels=str(tmp_path / "human.pt"))
    assert not (tmp_path / "pwned").exists()


def test_cifar10n_human_labels_replace_the_training_labels(tmp_path):
    settings = folders.write_cifar10(tmp_path)
    clean = np.tile(np.arange(20) % 10, 5)
    human = {f"random_label{i}": np.where(np.arange(100) % (i + 2) == 0, (clean + 1) % 10, clean) for i in (1, 2, 3)}
    torch.save({"clean_label": clean, **human}, tmp_path / "human.pt")
    index = index_of(settings, human_labels=str(tmp_path / "human.pt"))
    assert (index.labels["annotator_2"][:100] == human["random_label2"]).all()
    assert (index.labels["annotator_2"][100:] == np.arange(20) % 10).all()
    assert (index.known["annotator_3"][:100] == clean).all()
    torch.save({"clean_label": (clean + 1) % 10, **human}, tmp_path / "human.pt")
    with pytest.raises(DataError, match="belong to other images"):
        index_of(settings, human_labels=str(tmp_path / "human.pt"))


@pytest.mark.parametrize("labels", ["votes", "fer2013"])
def test_ferplus_takes_the_vote_and_leaves_out_images_without_a_winner(tmp_path, labels):
    settings = folders.write_ferplus(tmp_path)
    index = index_of(settings, labels=labels)
    left = [i for i in range(60) if i % 10 != 9 and i % 11 != 10]
    truth = np.array([i // 5 % 7 for i in left])
    assert len(index) == len(left)
    wrong = index.labels["emotion"] != truth
    noisy = np.array([i % 4 == 0 and i % 5 != 4 for i in left]) if labels == "fer2013" else np.zeros(len(left), bool)
    assert (wrong == noisy).all()
    assert read_dataset(spec_of(settings, image_size=32)).images.shape == (len(left), 3, 32, 32)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_manifest_reads_names_and_codes_gaps_and_clean_columns(tmp_path, suffix):
    settings = folders.write_manifest(tmp_path)
    if suffix == "parquet":
        table = pd.read_csv(tmp_path / "faces.csv")
        table.to_parquet(tmp_path / "faces.parquet")
        settings["file"] = str(tmp_path / "faces.parquet")
    index = index_of(settings)
    labels, test, train = index.labels, index.splits["test"], index.splits["train"]
    rows = np.arange(60)
    assert (labels["emotion"][test] == rows[test] % 3).all()
    assert (labels["emotion"][train] == (rows[train] + (rows[train] % 4 == 0)) % 3).all()
    assert (labels["second"] == np.where(rows % 5 == 0, -1, rows % 3)).all()
    assert (np.isnan(labels["affect"][:, 0]) == (rows % 7 == 0)).all()
    assert (index.known["emotion"] == rows % 3).all() and set(index.known) == {"emotion"}
    assert "training labels differ from the clean column" in index.notes[0]


def test_a_manifest_of_votes_takes_the_majority_and_ties_are_missing(tmp_path):
    votes = [[3, 1, 0], [0, 0, 2], [1, 1, 0], [0, 0, 0]] * 15
    rows = [{"path": f"people/face {i}.png", **dict(zip("abc", map(str, v), strict=True))} for i, v in enumerate(votes)]
    settings = folders.write_manifest(tmp_path, rows)
    sets = [{"name": "emotion", "kind": "categorical", "columns": list("abc"), "classes": ["calm", "glad", "cross"]}]
    index = index_of(settings, sets=sets)
    assert index.labels["emotion"][:4].tolist() == [0, 2, -1, -1]


def test_no_subject_is_in_two_splits(tmp_path):
    settings = folders.write_manifest(tmp_path)
    index = index_of(settings, subject="who", validation=0.2, test=0.2)
    people = {split: {i // 4 for i in members.tolist()} for split, members in index.splits.items()}
    assert all(people.values()) and sum(map(len, people.values())) == 15
    rows = folders.manifest_rows()
    for i, row in enumerate(rows):
        row["split"] = "test" if i % 10 == 0 else "train"
    with pytest.raises(DataError, match=r"subject 'p0' is in test and in train"):
        index_of(folders.write_manifest(tmp_path, rows), subject="who")


def test_a_sample_without_a_label_plays_with_the_row_of_another_of_its_split(tmp_path):
    data = load_data(folders.write_manifest(tmp_path), {"ratio": 0.3})
    lacking = np.isnan(data.targets).any(axis=1)
    assert not data.complete and 0.2 < lacking.mean() < 0.5
    assert (data.game_inputs[~lacking] == data.targets[~lacking]).all()
    for split in ("train", "validation"):
        members = data.dataset.splits[split]
        whole = data.targets[members[~lacking[members]]]
        for row in data.game_inputs[members[lacking[members]]]:
            assert (whole == row).all(axis=1).any()


def test_images_are_stored_once_and_a_changed_data_set_is_read_anew(tmp_path):
    settings = folders.write_manifest(tmp_path / "in")
    first = write_dataset(spec_of(settings), tmp_path / "out", workers=2)
    stamp = (first / "images.npy").stat().st_mtime_ns
    assert write_dataset(spec_of(settings), tmp_path / "out") == first
    assert (first / "images.npy").stat().st_mtime_ns == stamp
    saved, read = open_dataset(first), read_dataset(spec_of(settings))
    assert (saved.images == read.images).all() and saved.digest == read.digest and isinstance(saved.images, np.memmap)
    image = tmp_path / "in" / "people" / "face 7.png"
    times = image.stat().st_atime_ns, image.stat().st_mtime_ns
    Image.open(image).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(image)
    os.utime(image, ns=times)  # a file's date is no proof of its content
    assert write_dataset(spec_of(settings), tmp_path / "out") != first


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK", "P", "1", "I;16"])
def test_every_colour_mode_becomes_rgb(tmp_path, mode):
    settings = folders.write_manifest(tmp_path)
    gradient = Image.linear_gradient("L").resize((50, 40))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(gradient).astype(np.uint16) * 257)
    else:
        picture = gradient.convert(mode)
    picture.save(tmp_path / "people" / "face 3.png", format="TIFF" if mode == "CMYK" else "PNG")
    image = read_dataset(spec_of(settings)).images[3].astype(int)
    assert image[:, -1].mean() - image[:, 0].mean() > 150 and np.abs(image[0] - image[2]).max() < 30


def test_orientation_tags_are_obeyed(tmp_path):
    settings = folders.write_manifest(tmp_path)
    picture = Image.linear_gradient("L").convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "people" / "face 3.png", format="JPEG", exif=exif)
    image = read_dataset(spec_of(settings)).images[3].astype(int)
    assert image[:, 0].mean() - image[:, -1].mean() > 150


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def raf_line(old, new):
    return lambda root: edit(root / "EmoLabel" / "list_patition_label.txt", old, new)


LIST, FACES = "EmoLabel/list_patition_label.txt", "Image/aligned"
THIRD = f"{FACES}/train_00003_aligned.jpg"


def keep_training(root):
    lines = (root / LIST).read_text().splitlines()
    (root / LIST).write_text("".join(f"{line}\n" for line in lines if line.startswith("train")))
    for path in root.glob("Image/aligned/test*"):
        path.unlink()


RAF_MISTAKES = {
    "unknown code": (raf_line("train_00003.jpg 5", "train_00003.jpg 8"), r"label\.txt:\d+: .*'train_00003.jpg 8'"),
    "no code": (raf_line("train_00003.jpg 5", "train_00003.jpg"), r"label\.txt:\d+: write NAME CODE"),
    "duplicate": (raf_line("train_00003.jpg 5", "train_00001.jpg 7"), r"'train_00001.jpg' stands already in .*:\d+"),
    "no split": (raf_line("train_00003.jpg 5", "face_3.jpg 5"), "must begin with train_ or test_"),
    "missing image": (lambda r: (r / THIRD).unlink(), r"label\.txt:\d+: image .*00003.* is missing"),
    "unlisted image": (
        lambda r: shutil.copy(r / THIRD, r / FACES / "x.jpg"),
        "does not list 1 images, such as .*x.jpg",
    ),
    "no image": (
        lambda r: (r / THIRD).write_bytes(b"\xff\xd8not"),
        r"label\.txt:\d+: .*00003_.*is no image",
    ),
    "empty image": (lambda r: (r / THIRD).write_bytes(b""), r"label\.txt:\d+: .*00003_.*is no image"),
    "truncated": (lambda r: (r / THIRD).write_bytes((r / THIRD).read_bytes()[:400]), r"label\.txt:\d+: .*00003_"),
    "no label file": (lambda r: (r / LIST).unlink(), "label.txt: cannot be read: No such file"),
    "no images": (lambda r: shutil.rmtree(r / FACES), "aligned: this folder is missing"),
    "not text": (lambda r: (r / LIST).write_bytes(b"\xff\xfe\x00"), "label.txt: is not UTF-8 text"),
    "empty split": (keep_training, "the test split is empty"),
    "machine nan": (lambda r: edit(r / "affect.txt", "00002.jpg -0.600", "00002.jpg nan"), r"affect\.txt:2: .*finite"),
    "machine gap": (
        lambda r: edit(r / "machine.txt", "train_00002.jpg 4\n", ""),
        "00002.jpg' has no annotation",
    ),
}


@pytest.mark.parametrize("mistake", RAF_MISTAKES)
def test_a_mistake_in_raf_is_named_with_its_place(tmp_path, mistake):
    spoil, message = RAF_MISTAKES[mistake]
    settings = folders.write_raf(tmp_path, machine=True)
    spoil(tmp_path)
    with pytest.raises(DataError, match=message):
        read_dataset(spec_of(settings, image_size=32))


def change(i, **cells):
    rows = folders.manifest_rows()
    rows[i] |= cells
    return rows


MANIFEST_MISTAKES = {
    "unknown class": (change(4, label="angry"), {}, r"faces\.csv:6: label must be one of calm, .*: it is 'angry'"),
    "code out of range": (change(4, label_b="3"), {}, r"faces\.csv:6: label_b must be one of"),
    "out of range": (change(4, valence="1.5"), {}, r"faces\.csv:6: affect must lie in \[-1, 1\]"),
    "text for a number": (change(4, valence="high"), {}, r"faces\.csv:6: valence must be a number: it is 'high'"),
    "infinite": (change(4, valence="inf"), {}, r"faces\.csv:6: valence must be a number"),
    "missing image": (change(4, path="people/nobody.png"), {}, r"faces\.csv:6: image 'people/nobody.png' is missing"),
    "duplicate": (change(4, path="people/face 3.png"), {}, r"faces\.csv:6: .* stands already in .*faces\.csv:5"),
    "escape": (change(4, path="../secret.png"), {}, r"faces\.csv:6: '../secret.png' leaves the data folder"),
    "absolute": (change(4, path="/etc/passwd"), {}, r"faces\.csv:6: '/etc/passwd' leaves the data folder"),
    "bad split": (change(4, split="dev"), {}, r"split must be train, val or test"),
    "no column": (change(4), {"subject": "person"}, r"has no column 'person'; it has path, who"),
    "many": ([row | {"label": "x"} for row in folders.manifest_rows()], {}, r"\.\.\. and 55 more"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MANIFEST_MISTAKES)
def test_a_mistake_in_a_manifest_is_named_with_its_line(tmp_path, mistake):
    rows, changes, message = MANIFEST_MISTAKES[mistake]
    settings = folders.write_manifest(tmp_path, rows)
    with pytest.raises(DataError, match=message):
        read_dataset(spec_of(settings, **changes))


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    settings = folders.write_manifest(tmp_path / "in")
    folders.face(0, 0).save(tmp_path / "secret.png")
    image = tmp_path / "in" / "people" / "face 3.png"
    image.unlink()
    image.symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"faces\.csv:5: .*is a link that leaves the data folder"):
        read_dataset(spec_of(settings))


@pytest.mark.parametrize("form", ["ICO", "PCX", "EPS"])
def test_a_format_that_no_face_comes_in_is_never_decoded(tmp_path, form):
    settings = folders.write_manifest(tmp_path)
    folders.face(0, 0).save(tmp_path / "people" / "face 3.png", format=form)
    with pytest.raises(DataError, match=r"faces\.csv:5: .*is no image that can be read"):
        read_dataset(spec_of(settings))


def test_an_image_of_too_many_pixels_is_refused_unread(tmp_path):
    settings = folders.write_manifest(tmp_path)
    Image.new("1", (20_000, 20_000)).save(tmp_path / "people" / "face 3.png")
    with pytest.raises(DataError, match=r"faces\.csv:5: .*(more than 50 million|decompression bomb)"):
        read_dataset(spec_of(settings))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("training.csv", ",3,", ",11,", "expression must be a code from 0 to 10: it is 11"),
        ("training.csv", ",3,", ",,", "expression is empty"),
        ("training.csv", ",4,6,40,40,", ",,6,40,40,", "has no face box"),
        ("training.csv", ",4,6,40,40,", ",90,90,40,40,", r"the face box .* lies outside its 60 x 60 pixels"),
        ("training.csv", "expression", "emotion", "has no column 'expression'"),
        ("validation.csv", "2/face3.jpg", "2/nobody.jpg", "image .* is missing"),
    ],
)
def test_a_mistake_in_affectnet_is_named(tmp_path, name, old, new, message):
    settings = folders.write_affectnet_csv(tmp_path)
    edit(tmp_path / name, old, new)
    with pytest.raises(DataError, match=message):
        read_dataset(spec_of(settings))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: (a / "3_val.npy").unlink(), "3_val.npy: is missing"),
        (lambda a: (a / "3_val.npy").write_bytes(b"x"), "3_val.npy: is no array of one number"),
        (lambda a: np.save(a / "3_exp.npy", np.array("nan")), "3_exp.npy: must hold a finite number"),
        (lambda a: (a / "3_exp.npy").unlink(), "lacks 1 of the images, such as 3.jpg"),
        (lambda a: np.save(a / "3_aro.npy", np.array([1.0, 2.0])), "it holds 2 values"),
        (lambda a: np.save(a / "3_aro.npy", np.array([object()]), allow_pickle=True), "is no array of one number"),
    ],
)
def test_a_mistake_in_affectnets_arrays_is_named(tmp_path, spoil, message):
    settings = folders.write_affectnet_arrays(tmp_path)
    spoil(tmp_path / "train_set" / "annotations")
    with pytest.raises(DataError, match=message):
        index_of(settings)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("fer2013.csv", "Training", "Trained", "Usage 'Trained' must be one of"),
        ("fer2013.csv", " ", " 300 ", "pixels must be 2304 numbers from 0 to 255"),
        ("fer2013new.csv", "fer0000001.png,", "fer0000001.png,x", "must be a number: it is 'x"),
        (
            "fer2013new.csv",
            "PublicTest,fer0000003.png",
            "PublicTest,fer0000003.png,1\nTraining,b",
            "is no table|for 60 rows",
        ),
    ],
)
def test_a_mistake_in_ferplus_is_named(tmp_path, name, old, new, message):
    settings = folders.write_ferplus(tmp_path)
    edit(tmp_path / name, old, new)
    with pytest.raises(DataError, match=message):
        index_of(settings)


def test_emotions_are_named_in_affectnets_order():
    assert EMOTIONS == ("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger")


def test_a_row_without_a_subject_is_a_person_of_its_own(tmp_path):
    rows = folders.manifest_rows()
    for i, row in enumerate(rows):
        row["who"] = "" if i % 3 else f" p{i // 12} "
    index = index_of(folders.write_manifest(tmp_path, rows), subject="who", validation=0.2, test=0.2)
    assert min(map(len, index.splits.values())) >= 8
    people = {split: {i // 12 for i in members.tolist() if i % 3 == 0} for split, members in index.splits.items()}
    assert sum(map(len, people.values())) == 5


def test_numbers_that_name_classes_are_names_and_no_positions(tmp_path):
    rows = [row | {"label": str(1 + i % 3)} for i, row in enumerate(folders.manifest_rows())]
    sets = [{"name": "grade", "kind": "categorical", "columns": ["label"], "classes": ["1", "2", "3"]}]
    index = index_of(folders.write_manifest(tmp_path, rows), sets=sets)
    assert (index.labels["grade"] == np.arange(60) % 3).all()
    rows[4]["label"] = "0"
    with pytest.raises(DataError, match=r"faces\.csv:6: label must be one of 1, 2, 3: it is '0'"):
        index_of(folders.write_manifest(tmp_path, rows), sets=sets)


def test_a_test_split_without_labels_is_refused(tmp_path):
    rows = folders.manifest_rows()
    for i, row in enumerate(rows):
        row["split"] = "test" if i % 5 == 0 else "train"
        row["truth"] = "" if i % 5 == 0 else row["truth"]
    with pytest.raises(DataError, match="no test sample has a label of emotion"):
        index_of(folders.write_manifest(tmp_path, rows))


def test_the_vote_leaves_test_labels_as_they_are(tmp_path):
    settings = folders.write_manifest(tmp_path)
    for seed in (0, 1):
        each, voted = (load_data(settings, {"ratio": 0.3}, seed, majority=m) for m in (False, True))
        test = each.dataset.splits["test"]
        assert (voted.labels["emotion"][test] == each.dataset.labels["emotion"][test]).all()


def test_renamed_classes_are_another_data_set(tmp_path):
    settings = folders.write_manifest(tmp_path / "in")
    renamed = [{**s, "classes": ["calm", "glad", "cross"][::-1]} if "classes" in s else s for s in settings["sets"]]
    first = write_dataset(spec_of(settings), tmp_path / "out")
    assert write_dataset(spec_of(settings, sets=renamed), tmp_path / "out") != first
