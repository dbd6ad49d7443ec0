"""Label noise: its share, which labels stay true, and what ratios, label sets and seeds have in common."""

from dataclasses import replace

import numpy as np
import pytest

from fer_tune import load_data
from fer_tune.data.dataset import Dataset
from fer_tune.data.export import labels_digest
from fer_tune.data.labels import EMOTIONS, FACE_LABELS, LabelSet
from fer_tune.data.noise import NoiseSpec, accuracy_shrinkage, noisy_labels
from fer_tune.data.synthetic import PROTOTYPES

N, K = 6000, 7
UNIFORM_ROW = tuple([0.4] + [0.1] * 6)
MATRIX = tuple(tuple(np.roll(UNIFORM_ROW, i)) for i in range(K))


@pytest.fixture(scope="module")
def dataset():
    """Labels without images, enough to measure shares; values do not depend on the class."""
    rng = np.random.default_rng(0)
    sets = (LabelSet("emotion", "categorical", EMOTIONS), LabelSet("affect", "continuous", ("valence", "arousal")))
    labels = {"emotion": rng.integers(0, K, N), "affect": rng.uniform(-1, 1, (N, 2)).astype(np.float32)}
    splits = {"train": np.arange(4000), "validation": np.arange(4000, 5000), "test": np.arange(5000, N)}
    return Dataset(sets, np.zeros((N, 3, 1, 1), np.uint8), labels, splits, "digest")


@pytest.fixture(scope="module")
def expressive(dataset):
    """Labels without images whose values depend on the class, as those of the drawn faces do."""
    rng = np.random.default_rng(1)
    strength = rng.uniform(0.5, 1, (N, 1))
    values = PROTOTYPES[dataset.labels["emotion"]] * strength + rng.normal(0, 0.05, (N, 2))
    return replace(dataset, labels={**dataset.labels, "affect": np.clip(values, -1, 1).astype(np.float32)})


def exposed(dataset):
    return np.concatenate([dataset.splits["train"], dataset.splits["validation"]])


@pytest.mark.parametrize(
    ("settings", "digest"),
    [
        ({"ratio": 0.4}, "2fee3fe0a162466f"),
        ({"ratio": 0.4, "tied": True}, "41adee6f03b3efd9"),
        ({"kind": "pairflip", "ratio": 0.4}, "98bc353d498338a6"),
        ({"kind": "instance", "ratio": 0.4}, "7ef438c2eb5218db"),
        ({"kind": "confusion", "matrix": MATRIX, "ratio": 0.3}, "765f3831b5770a8c"),
    ],
    ids=["symmetric", "tied", "pairflip", "instance", "confusion"],
)
def test_noisy_labels_are_those_of_earlier_versions(dataset, settings, digest):
    """A study that was begun before must resume on the same labels."""
    assert labels_digest(noisy_labels(dataset, NoiseSpec(**settings), seed=3)) == digest


def wrong(dataset, noisy, name):
    difference = dataset.labels[name] != noisy[name]
    return difference if difference.ndim == 1 else difference.any(axis=1)


@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.4, 0.6])
@pytest.mark.parametrize("kind", ["symmetric", "pairflip"])
def test_ratio_is_the_share_of_wrong_labels(dataset, kind, ratio):
    noisy = noisy_labels(dataset, NoiseSpec(kind=kind, ratio=ratio), seed=0)
    for name in ("emotion", "affect"):
        for split in ("train", "validation"):
            share = wrong(dataset, noisy, name)[dataset.splits[split]].mean()
            assert share == pytest.approx(ratio, abs=0.04)
        assert not wrong(dataset, noisy, name)[dataset.splits["test"]].any()


def test_symmetric_noise_reaches_every_other_class_evenly(dataset):
    noisy = noisy_labels(dataset, NoiseSpec(ratio=0.6), seed=0)["emotion"]
    shift = (noisy - dataset.labels["emotion"])[:5000] % K
    counts = np.bincount(shift[shift > 0], minlength=K)[1:]
    assert counts.min() > 0.85 * counts.mean()


def test_pairflip_takes_the_next_class(dataset):
    noisy = noisy_labels(dataset, NoiseSpec(kind="pairflip", ratio=0.5), seed=0)["emotion"]
    assert set((noisy - dataset.labels["emotion"]) % K) == {0, 1}


@pytest.mark.parametrize("tied", [False, True])
def test_confusion_follows_its_matrix(dataset, tied):
    noisy = noisy_labels(dataset, NoiseSpec(kind="confusion", matrix=MATRIX, ratio=0.3, tied=tied), seed=0)["emotion"]
    found = np.zeros((K, K))
    np.add.at(found, (dataset.labels["emotion"][exposed(dataset)], noisy[exposed(dataset)]), 1)
    np.testing.assert_allclose(found / found.sum(axis=1, keepdims=True), np.array(MATRIX), atol=0.06)


def test_continuous_noise_keeps_the_marginal_and_moves_whole_rows(dataset):
    noisy = noisy_labels(dataset, NoiseSpec(ratio=0.5), seed=0)["affect"]
    rows = {tuple(row) for row in dataset.labels["affect"][:4000].tolist()}
    assert all(tuple(row) in rows for row in noisy[:4000].tolist())
    np.testing.assert_allclose(noisy[:4000].mean(axis=0), dataset.labels["affect"][:4000].mean(axis=0), atol=0.03)
    np.testing.assert_allclose(noisy[:4000].std(axis=0), dataset.labels["affect"][:4000].std(axis=0), atol=0.03)


@pytest.mark.parametrize("kind", ["symmetric", "pairflip", "confusion"])
def test_tied_noise_hits_the_same_samples_and_untied_does_not(dataset, kind):
    matrix = MATRIX if kind == "confusion" else None
    share = {}
    for tied in (True, False):
        noisy = noisy_labels(dataset, NoiseSpec(kind=kind, matrix=matrix, ratio=0.6, tied=tied), seed=0)
        share[tied] = (wrong(dataset, noisy, "emotion") == wrong(dataset, noisy, "affect"))[:5000].mean()
    assert share[True] == 1
    assert share[False] < 0.6


def test_noise_depends_on_the_seed_and_grows_with_the_ratio_on_the_same_samples(dataset):
    few, many = (wrong(dataset, noisy_labels(dataset, NoiseSpec(ratio=r), 0), "emotion") for r in (0.2, 0.5))
    assert (few <= many).all()
    other = wrong(dataset, noisy_labels(dataset, NoiseSpec(ratio=0.2), 1), "emotion")
    assert (other != few).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ratio": 1.0}, "less than 1"),
        ({"ratio": -0.1}, "greater than or equal to 0"),
        ({"kind": "confusion"}, "kind: confusion needs `matrix`"),
        ({"kind": "symmetric", "matrix": [[1.0]]}, "`matrix` needs kind: confusion: it is symmetric"),
        ({"kind": "confusion", "matrix": [[0.5, 0.5]]}, "square"),
        ({"kind": "confusion", "matrix": [[0.5, 0.6], [0, 1]]}, "row 0"),
    ],
)
def test_impossible_noise_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        load_data({"kind": "synthetic", "train": 14, "validation": 14, "test": 14}, settings)


def test_accuracy_differences_shrink_as_stated_and_as_measured(dataset):
    spec = NoiseSpec(ratio=0.4)
    assert accuracy_shrinkage(spec, FACE_LABELS[0]) == pytest.approx(0.533, abs=1e-3)
    noisy, truth = noisy_labels(dataset, spec, 0)["emotion"], dataset.labels["emotion"]
    rng = np.random.default_rng(1)
    good, bad = (np.where(rng.random(N) < p, truth, (truth + rng.integers(1, K, N)) % K) for p in (0.9, 0.5))
    clean = (good == truth)[:5000].mean() - (bad == truth)[:5000].mean()
    measured = (good == noisy)[:5000].mean() - (bad == noisy)[:5000].mean()
    assert measured / clean == pytest.approx(0.533, abs=0.06)
    assert accuracy_shrinkage(NoiseSpec(kind="confusion", matrix=MATRIX), FACE_LABELS[0]) == pytest.approx(
        1 - 0.6 * 7 / 6
    )


def test_instance_noise_is_as_frequent_as_asked_and_wrong_in_both_sets_together(expressive):
    truth, test = expressive.labels, expressive.splits["test"]
    before = np.zeros(5000, bool)
    for ratio in (0.1, 0.3, 0.6):
        noisy = noisy_labels(expressive, NoiseSpec(kind="instance", ratio=ratio), 5)
        wrong = (noisy["emotion"] != truth["emotion"])[exposed(expressive)]
        moved = (noisy["affect"] != truth["affect"]).any(axis=1)[exposed(expressive)]
        assert wrong.mean() == pytest.approx(ratio, abs=0.03)
        assert (wrong == moved).all()
        assert not before[~wrong].any()  # what is wrong at one ratio is wrong at every larger one
        assert (noisy["emotion"] == truth["emotion"])[test].all()
        assert (noisy["affect"] == truth["affect"])[test].all()
        before = wrong


def test_instance_noise_prefers_faint_faces_and_near_classes(expressive):
    truth, train = expressive.labels, expressive.splits["train"]
    noisy = noisy_labels(expressive, NoiseSpec(kind="instance", ratio=0.3), 0)
    wrong = noisy["emotion"][train] != truth["emotion"][train]
    strength = np.linalg.norm(truth["affect"][train], axis=1)
    shown = truth["emotion"][train] > 0  # a neutral face has no strength
    assert strength[wrong & shown].mean() < strength[~wrong & shown].mean() - 0.05
    centres = np.stack([truth["affect"][train][truth["emotion"][train] == k].mean(0) for k in range(7)])
    distance = np.linalg.norm(centres[noisy["emotion"][train]] - centres[truth["emotion"][train]], axis=1)[wrong]
    others = np.linalg.norm(centres[:, None] - centres[None], axis=2).sum(1)[truth["emotion"][train]][wrong] / 6
    assert distance.mean() < 0.7 * others.mean()


def test_instance_noise_needs_a_continuous_label_set(dataset):
    classes_only = replace(dataset, label_sets=dataset.label_sets[:1])
    with pytest.raises(ValueError, match="needs a continuous label set"):
        noisy_labels(classes_only, NoiseSpec(kind="instance", ratio=0.3), 0)


def test_a_label_set_may_have_a_ratio_of_its_own(dataset):
    noisy = noisy_labels(dataset, NoiseSpec(ratio=0.1, ratios={"emotion": 0.5}), 0)
    share = wrong(dataset, noisy, "emotion")[exposed(dataset)].mean()
    assert share == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("kind", ["symmetric", "pairflip", "instance"])
def test_a_missing_label_stays_missing(expressive, kind):
    labels = {name: values.copy() for name, values in expressive.labels.items()}
    labels["emotion"][::3], labels["affect"][::4] = -1, np.nan
    noisy = noisy_labels(replace(expressive, labels=labels), NoiseSpec(kind=kind, ratio=0.5), 0)
    assert ((noisy["emotion"] == -1) == (labels["emotion"] == -1)).all()
    assert (np.isnan(noisy["affect"]) == np.isnan(labels["affect"])).all()
    assert noisy["emotion"].max() < 7
    assert (noisy["emotion"] != labels["emotion"]).any()
