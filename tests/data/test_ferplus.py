"""FERPlus: votes, FER2013's own labels, and what is said of mistakes."""

import numpy as np
import pytest

from fer_tune.data.errors import DataError
from fer_tune.data.loading import read_dataset
from fer_tune.data.tables import read_table
from tests.support import folders
from tests.support.folders import edit, index_of, spec_of


@pytest.mark.parametrize("labels", ["votes", "fer2013"])
def test_ferplus_takes_the_vote_and_leaves_out_images_without_a_winner(tmp_path, labels):
    settings = folders.write_ferplus(tmp_path)
    index = index_of(settings, labels=labels)
    kept = [i for i in range(60) if i % 10 != 9 and i % 11 != 10]
    truth = np.array([i // 5 % 7 for i in kept])
    assert len(index) == len(kept)
    wrong = index.labels["emotion"] != truth
    noisy = np.array([i % 4 == 0 and i % 5 != 4 for i in kept]) if labels == "fer2013" else np.zeros(len(kept), bool)
    assert (wrong == noisy).all()
    assert read_dataset(spec_of(settings, image_size=32)).images.shape == (len(kept), 3, 32, 32)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("fer2013.csv", "Training", "Trained", "Usage must be one of Training, .*: it is 'Trained'"),
        ("fer2013.csv", "Training", "PublicTest", r"fer2013.csv:2: Usage is 'PublicTest', but .* says 'Training'"),
        ("fer2013.csv", " ", " 300 ", "pixels must be 2304 whole numbers from 0 to 255"),
        ("fer2013new.csv", "fer0000001.png,", "fer0000001.png,x", "must be a number: it is 'x"),
        (
            "fer2013new.csv",
            "PublicTest,fer0000003.png",
            "PublicTest,fer0000003.png,1\nTraining,b",
            "is not a table|has 61 rows",
        ),
    ],
)
def test_a_mistake_in_ferplus_is_named(tmp_path, name, old, new, message):
    settings = folders.write_ferplus(tmp_path)
    edit(tmp_path / name, old, new)
    with pytest.raises(DataError, match=message):
        index_of(settings)


def test_the_header_of_kaggles_other_release_is_read(tmp_path):
    """Blanks before the names, and the columns in another order."""
    settings = folders.write_ferplus(tmp_path)
    plain = index_of(settings)
    table = read_table(tmp_path / "fer2013.csv").cells
    lines = [f"{row.emotion}, {row.Usage}, {row.pixels}" for row in table.itertuples()]
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion, Usage, pixels", *lines, ""]))
    index = index_of(settings)
    assert np.array_equal(index.sources, plain.sources)
    assert np.array_equal(index.labels["emotion"], plain.labels["emotion"])
    assert index.notes[1].endswith("fer2013new.csv: columns that are not used: Image name")


def test_a_missing_column_is_said_with_those_that_are_there(tmp_path):
    settings = folders.write_ferplus(tmp_path)
    edit(tmp_path / "fer2013.csv", "emotion,pixels,Usage", "label,pixels,Usage")
    with pytest.raises(DataError, match=r"fer2013\.csv: has no column 'emotion'; it has label, pixels, Usage"):
        index_of(settings)


def test_negative_votes_are_named(tmp_path):
    settings = folders.write_ferplus(tmp_path)
    edit(tmp_path / "fer2013new.csv", ",7,", ",-7,")
    with pytest.raises(DataError, match=r"fer2013new\.csv:\d+: votes must not be negative"):
        index_of(settings)
