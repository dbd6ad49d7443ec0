"""What a person is told about a data set before anything trains on it."""

from fer_tune.data.description import describe, unused_images
from tests.support import folders
from tests.support.folders import index_of


def test_counts_ranges_gaps_and_notes_are_told(tmp_path):
    lines = describe(index_of(folders.write_manifest(tmp_path)))
    assert lines[0] == "60 samples: 48 train, 6 validation, 6 test"
    assert lines[4].startswith("second, train: calm ")
    assert "missing" in lines[4]
    assert lines[7].startswith("affect, train: valence -1.00 to 1.00, mean ")
    assert lines[-2].endswith("training labels differ from the clean column")
    assert lines[-1].endswith("faces.csv: columns that are not used: who")


def test_image_files_that_no_sample_uses_are_counted(tmp_path):
    index = index_of(folders.write_manifest(tmp_path))
    assert unused_images(index) == []
    (tmp_path / "people" / "more").mkdir()
    (tmp_path / "results").mkdir()
    for name in ("people/more/b.JPG", "people/a.png", "people/notes.txt", "results/sheet.png"):
        (tmp_path / name).touch()
    assert unused_images(index) == [f"{tmp_path}: 2 image files are used by no sample, such as people/a.png"]
