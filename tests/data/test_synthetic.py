"""The drawn faces: deterministic, correctly labelled, readable, uneven if asked."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_tune.data.faces import SPREADS
from fer_tune.data.labels import EMOTIONS
from fer_tune.data.synthetic import MIN_FACES_TO_FORK, PROTOTYPES, RAF_COUNTS, SyntheticSpec, load_synthetic

FACES = Path(__file__).parents[2] / "docs" / "faces"


@pytest.mark.parametrize("size", [32, 64, 128])
def test_faces_are_drawn_at_every_size(size):
    dataset = load_synthetic(SyntheticSpec(image_size=size, train=14, validation=14, test=14))
    assert dataset.images.shape == (42, 3, size, size)
    assert dataset.images.dtype == np.uint8
    assert dataset.image_size == size
    assert dataset.images.std(axis=(1, 2, 3)).min() > 10


def test_equal_settings_give_equal_pixels_and_another_seed_gives_others():
    spec = {"train": 21, "validation": 14, "test": 14}
    one, two = (load_synthetic(SyntheticSpec(**spec)) for _ in range(2))
    assert one.digest == two.digest
    assert np.array_equal(one.images, two.images)
    assert load_synthetic(SyntheticSpec(**spec, seed=1)).digest != one.digest


def test_pixels_do_not_depend_on_the_number_of_processes():
    spec = SyntheticSpec(train=MIN_FACES_TO_FORK, validation=14, test=15)
    assert load_synthetic(spec, 3).digest == load_synthetic(spec).digest


@pytest.mark.parametrize(("prior", "expected"), [("uniform", [1 / 7] * 7), ("raf", np.array(RAF_COUNTS) / 12271)])
def test_classes_follow_the_prior_in_every_split(prior, expected):
    dataset = load_synthetic(SyntheticSpec(train=400, validation=100, test=100, class_prior=prior))
    for indices in dataset.splits.values():
        shares = np.bincount(dataset.labels["emotion"][indices], minlength=7) / len(indices)
        np.testing.assert_allclose(shares, expected, atol=1 / len(indices))
        assert shares.min() > 0


def test_valence_and_arousal_agree_with_the_emotion():
    dataset = load_synthetic(SyntheticSpec(train=350, validation=14, test=14))
    affect, emotion = dataset.labels["affect"], dataset.labels["emotion"]
    assert affect.dtype == np.float32
    assert np.abs(affect).max() <= 1
    for k, name in enumerate(EMOTIONS):
        mean = affect[emotion == k].mean(axis=0)
        np.testing.assert_allclose(mean, 0.75 * PROTOTYPES[k], atol=0.1, err_msg=name)


@pytest.mark.parametrize(("row", "domain"), list(enumerate(SPREADS)))
def test_every_look_is_drawn_as_its_committed_sheet_shows_it(row, domain):
    """Bit for bit: the sheet's first face of each emotion, enlarged twice."""
    spec = SyntheticSpec(domain=domain, image_size=64, train=70, validation=14, test=14, seed=7)
    drawn = load_synthetic(spec)
    sheet = np.asarray(Image.open(FACES / "looks.png").convert("RGB"))
    for column in range(7):
        place = np.flatnonzero(drawn.labels["emotion"][:70] == column)[0]
        top, left = 14 + 256 * row, 60 + 128 * column
        assert np.array_equal(sheet[top : top + 128 : 2, left : left + 128 : 2].transpose(2, 0, 1), drawn.images[place])


def test_the_looks_have_the_same_emotions_and_differ_as_they_should():
    looks = {d: load_synthetic(SyntheticSpec(domain=d, train=210, validation=14, test=14)) for d in SPREADS}
    assert len({look.labels["emotion"].tobytes() for look in looks.values()}) == 1
    assert len({look.digest for look in looks.values()}) == len(looks)
    pixels = {domain: look.images.astype(float) for domain, look in looks.items()}
    colour = {domain: images.std(axis=1).mean() for domain, images in pixels.items()}
    assert colour["line"] < 0.5 * min(colour["studio"], colour["street"])
    brightness = {domain: images.mean() for domain, images in pixels.items()}
    assert brightness["lowlight"] < 0.7 * min(brightness["studio"], brightness["street"])
    assert brightness["line"] > 1.2 * max(brightness["studio"], brightness["street"])
    contrast = {domain: images.std(axis=(1, 2, 3)).mean() for domain, images in pixels.items()}
    assert contrast["lowlight"] < 0.7 * contrast["studio"]


def test_pixels_of_new_looks_do_not_depend_on_the_number_of_processes():
    for domain in ("line", "lowlight"):
        spec = SyntheticSpec(domain=domain, train=MIN_FACES_TO_FORK, validation=14, test=15)
        assert load_synthetic(spec, 3).digest == load_synthetic(spec).digest


def test_splits_share_no_face():
    dataset = load_synthetic(SyntheticSpec(train=70, validation=35, test=35))
    assert len({image.tobytes() for image in dataset.images}) == len(dataset.images)
    assert sorted(np.concatenate(list(dataset.splits.values()))) == list(range(140))


def test_a_blind_reader_recognised_the_faces_that_are_drawn_today():
    """The committed key and sheet show the faces as drawn now, and enough blind answers are right in every class."""
    truth, answers = (
        [row["emotion"] for row in csv.DictReader((FACES / name).read_text().splitlines())]
        for name in ("truth.csv", "answers.csv")
    )
    drawn = load_synthetic(SyntheticSpec(image_size=64, train=70, validation=14, test=14, seed=2026))
    assert [EMOTIONS[k] for k in drawn.labels["emotion"][:70]] == truth
    sheet = np.asarray(Image.open(FACES / "sheet.png"))
    for i in (0, 37, 69):
        top, left = i // 10 * 142 + 14, i % 10 * 128
        face = Image.fromarray(drawn.images[i].transpose(1, 2, 0)).resize((128, 128), Image.Resampling.BICUBIC)
        assert np.array_equal(sheet[top : top + 128, left : left + 128], np.asarray(face))
    right = {e: sum(t == a == e for t, a in zip(truth, answers, strict=True)) for e in EMOTIONS}
    assert min(right.values()) >= 4
    assert sum(right.values()) >= 42
