"""What a person is told about a data set before anything trains on it."""

from fer_tune.data.description import describe
from tests.support import folders
from tests.support.folders import index_of


def test_counts_ranges_gaps_and_notes_are_told(tmp_path):
    lines = describe(index_of(folders.write_manifest(tmp_path)))
    assert lines[0] == "60 samples: 48 train, 6 validation, 6 test"
    assert lines[4].startswith("second, train: calm ")
    assert "missing" in lines[4]
    assert lines[7].startswith("affect, train: valence -1.00 to 1.00, mean ")
    assert lines[-1].endswith("training labels differ from the clean column")
