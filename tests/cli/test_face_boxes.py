"""`fer-tune data --crop-faces`: the table with labels and boxes, its section, the sheet, and what is refused."""

import csv

import numpy as np
import pytest
import yaml
from PIL import Image

from fer_tune.cli.main import main
from fer_tune.data.loading import read_dataset
from tests.support import folders
from tests.support.photographs import FACE, group, landscape, portrait

pytest.importorskip("cv2")
PICTURES = {"one.jpg": portrait, "trip/two.jpg": lambda: group(2), "trip/hills.png": landscape}


def photographs(root):
    """A folder of three photographs and a file that is none."""
    (root / "trip").mkdir(parents=True)
    for name, draw in PICTURES.items():
        draw().save(root / name)
    (root / "broken.png").write_bytes(b"nothing")
    return root


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_folder_without_labels_gets_a_table_of_boxes(tmp_path, capsys):
    root = photographs(tmp_path / "photos")
    assert main(["data", str(root), "--crop-faces", "--results", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "So the table will have boxes alone" in said
    assert "faces: 1 photographs with one face, 1 photographs with several faces, 1 photographs without a face" in said
    assert "with several faces: trip/two.jpg" in said
    assert "without a face: trip/hills.png" in said
    assert "that cannot be read: broken.png (is not a readable image)" in said
    folder = tmp_path / "out" / "data_checks" / "photos"
    boxes = rows_of(folder / "boxes.csv")
    assert [row["path"] for row in boxes] == ["one.jpg", "trip/two.jpg"]
    assert all(int(row["width"]) > 100 for row in boxes)
    others = {row["path"]: row["faces"] for row in rows_of(folder / "faces.csv")}
    assert others == {"broken.png": "0", "trip/hills.png": "0", "trip/two.jpg": "2"}
    assert np.asarray(Image.open(folder / "faces.png")).std() > 20, "the sheet shows something"
    assert sorted(p.name for p in root.rglob("*") if p.is_file()) == ["broken.png", "hills.png", "one.jpg", "two.jpg"]


def test_labels_and_splits_go_into_the_table_and_its_section_names_the_boxes(tmp_path, capsys):
    settings = folders.write_manifest(tmp_path)
    for row in folders.manifest_rows()[:20]:
        portrait().resize((128, 150)).save(tmp_path / row["path"])
    assert main(["data", str(tmp_path / "faces.csv"), "--crop-faces", "--results", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    section = yaml.safe_load(said.split("Its dataset section:")[1])["dataset"]
    assert section["boxes"] == ["left", "top", "width", "height"]
    assert section["folder"] == str(tmp_path)
    rows = rows_of(tmp_path / "out" / "data_checks" / "faces" / "boxes.csv")
    assert set(section["sets"][0]["columns"]) <= set(rows[0])
    given = {row["path"]: row for row in rows_of(tmp_path / "faces.csv")}
    assert len(rows) >= 20
    for row in rows:
        assert row["label"] == given[row["path"]]["label"]
        assert [float(row["valence"] or 9)] == pytest.approx([float(given[row["path"]]["valence"] or 9)])
        assert row["split"] in ("train", "val", "test")
    assert settings["file"] == str(tmp_path / "faces.csv"), "the user's own table stays as it is"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (folders.write_affectnet_csv, "has boxes of its faces already"),
        (folders.write_ferplus, "this data set holds its images in a table"),
        (lambda root: root.mkdir(), "holds no image files"),
    ],
)
def test_what_has_no_whole_photographs_is_refused(tmp_path, capsys, write, message):
    write(tmp_path / "data")
    assert main(["data", str(tmp_path / "data"), "--crop-faces", "--results", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_a_table_that_cannot_be_read_is_not_passed_over(tmp_path, capsys):
    root = photographs(tmp_path / "photos")
    (root / "labels.csv").write_text("path,mood\none.jpg,calm,1\n")
    assert main(["data", str(root), "--crop-faces", "--results", str(tmp_path / "out")]) == 2
    assert "labels.csv" in capsys.readouterr().err


def test_a_study_trains_on_the_faces_that_were_cut_out(tmp_path, capsys):
    folders.write_manifest(tmp_path)
    for row in folders.manifest_rows():
        portrait().resize((128, 150)).save(tmp_path / row["path"])
    assert main(["data", str(tmp_path / "faces.csv"), "--crop-faces", "--results", str(tmp_path / "out")]) == 0
    section = yaml.safe_load(capsys.readouterr().out.split("Its dataset section:")[1])["dataset"]
    dataset = read_dataset(folders.spec_of(section))
    assert len(dataset.images) == 60
    left, top, width, height = FACE
    face = portrait().crop((left, top, left + width, top + height)).resize((64, 64))
    seen = np.corrcoef(dataset.images[0].mean(axis=0).ravel(), np.asarray(face.convert("L")).ravel())
    whole = np.corrcoef(
        np.asarray(portrait().resize((64, 64)).convert("L")).ravel(), np.asarray(face.convert("L")).ravel()
    )
    assert seen[0, 1] > whole[0, 1] + 0.2, "the face, not the whole photograph"


def test_photographs_without_any_face_are_refused(tmp_path, capsys):
    landscape().save(tmp_path / "hills.png")
    assert main(["data", str(tmp_path), "--crop-faces", "--results", str(tmp_path / "out")]) == 2
    assert "no face was found in any of the 1 photographs" in capsys.readouterr().err
