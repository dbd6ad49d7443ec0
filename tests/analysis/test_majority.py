"""What the largest class alone scores, and which λs do no better: known predictions, known words."""

import numpy as np
import pytest

from fer_tune.analysis import methods
from fer_tune.analysis.majority import fallen, on_test, on_validation, warnings
from fer_tune.analysis.recommendation import against_baseline
from fer_tune.analysis.report import write_report
from fer_tune.analysis.tables import load
from fer_tune.results.files import write_cells, write_json
from fer_tune.results.folder import TrialFolder
from tests.support.made_up import add_classes, plateau

NAMES = ["glad", "calm", "cross"]
TRUE = np.repeat([0, 1, 2], [50, 30, 20])  # glad alone scores 0.50
SETS = [{"name": "mood", "kind": "categorical", "columns": ["mood"], "classes": NAMES, "clean": ["truth"]}]
SAD = {0.0: TRUE, 0.2: np.where(TRUE == 2, 0, TRUE), 0.6: np.zeros(100, int), 1.0: (TRUE + 1) % 3}


@pytest.fixture
def folder(results_folder):
    """λ = 0 is always right, 0.2 never says cross, 0.6 only says glad, 1 is always wrong."""

    def write(true=TRUE, **changes):
        path = results_folder(
            plateau(lambda lam: 0.6), dataset={"kind": "manifest", "file": "a.csv", "sets": SETS}, **changes
        )
        for trial in map(TrialFolder, (path / "trials").iterdir()):
            answers = SAD[trial.record().config["training"]["lambda"]].tolist()
            chances = [[1.0 if a == k else 0.0 for a in answers] for k in range(3)]
            columns = ["index", "mood_true", "mood_predicted", *(f"mood_p_{name}" for name in NAMES)]
            write_cells(
                trial.path / "predictions.csv",
                columns,
                list(zip(range(100), true.tolist(), answers, *chances, strict=True)),
            )
        return path

    return write


def test_the_largest_class_alone_is_a_row_of_the_baseline_table(folder):
    results = load(folder())
    assert on_test(results, "all").name == "glad"
    assert on_test(results, "all").share == 0.5
    last = against_baseline(results)[-1]
    assert last["λ"] == "none: largest class alone (glad)"
    assert last["test accuracy"] == "0.500"


def test_on_noisy_validation_labels_it_is_what_the_noise_leaves_of_it(folder):
    """70 of 100 validation labels are calm; with 40 % symmetric noise over 3 classes 0.7 x 0.6 + 0.3 x 0.4 / 2."""
    path = folder()
    for trial in map(TrialFolder, (path / "trials").iterdir()):
        assert trial.record().accuracy_shrinkage == pytest.approx(1 - 0.4 * 7 / 6)  # of the made-up study's 7 classes
    data = path / "data" / ("0" * 32)
    data.mkdir(parents=True)
    write_json(data / "dataset.json", {"label_sets": [{"name": "mood", "kind": "categorical", "names": NAMES}]})
    labels = np.array([0] * 50 + [1] * 70 + [2] * 30 + [-1] * 10)
    np.savez(data / "labels.npz", **{"label.mood": labels, "split.validation": np.arange(50, 160)})
    results = load(path)
    assert on_validation(results, "all").name == "calm"
    assert on_validation(results, "all").share == pytest.approx(1 / 3 + (0.7 - 1 / 3) * (1 - 0.4 * 7 / 6))
    results.trials["accuracy_shrinkage"] = 1 - 0.4 * 3 / 2
    assert on_validation(results, "all").share == pytest.approx(0.7 * 0.6 + 0.3 * 0.4 / 2)
    assert on_validation(load(folder(name="without_data")), "all") is None


def test_networks_that_have_learnt_nothing_or_gave_a_class_up_are_named(folder):
    found = {each.lam: each for each in fallen(load(folder()), "all")}
    assert set(found) == {0.2, 0.6, 1.0}
    assert found[0.2].given_up == ("cross",)
    assert not found[0.2].learnt_nothing
    assert not found[0.2].collapsed
    assert found[0.6].collapsed
    assert found[0.6].learnt_nothing
    assert found[1.0].accuracy == 0


def test_what_happened_and_what_to_set_is_said_in_the_page(folder):
    path = folder()
    nothing, gave_up, collapsed, wrong, advice = warnings(load(path))
    assert nothing == (
        "λ = 0.6 and λ = 1 do no better than always answering the largest class: glad alone scores 0.50 on the clean "
        "test labels, these 0.50 and 0.00."
    )
    assert gave_up == "λ = 0.2 never recognises cross (recall 0)."
    assert collapsed == "λ = 0.6 answers glad for 100% of the test images and never recognises calm, cross (recall 0)."
    assert wrong == "λ = 1 never recognises glad, calm, cross (recall 0)."
    assert advice == (
        "To make every class count equally, set training.balance: sampling and objective: val_mean_class_accuracy."
    )
    report = write_report(path)
    assert nothing in report.headline
    assert "glad alone scores 0.50" in (path / "report" / "index.html").read_text()


def test_the_largest_class_is_a_row_of_the_methods_table(results_folder):
    path = results_folder(plateau(lambda lam: 0.6), conditions={"method": ["joint", "gce"]}, seeds=[0])
    add_classes(path, NAMES, absent=[2])  # half of the images are glad
    *_, last = methods.table(load(path))
    assert last["method"] == "largest class alone (glad)"
    assert last["test accuracy"] == "0.500"


def test_what_is_set_already_is_not_advised(folder):
    training = {"epochs": 30, "balance": "loss"}
    last = warnings(load(folder(objective="val_accuracy", training=training)))[-1]
    assert last == "To make every class count equally, set objective: val_mean_class_accuracy."


def test_even_classes_need_no_balance(folder):
    assert not any("count equally" in text for text in warnings(load(folder(true=np.arange(100) % 3))))


def test_a_study_without_predictions_says_nothing(results_folder):
    results = load(results_folder(plateau(lambda lam: 0.6)))
    assert warnings(results) == []
    assert on_test(results, "all") is None
