"""Every shipped study runs through the real command line, on small folders in the real formats."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT, run_command
from tests.support import folders

SMALL = {
    "model.width": 0.125, "model.encoder_norm": "batch", "dataset.image_size": 32, "training.epochs": 2,
    "training.warmup_epochs": 0, "training.batch_size": 16, "search.lambda.grid": "[0.0, 0.4]", "seeds": "[0]",
}  # fmt: skip
ANNOTATORS = ["annotator_1", "annotator_2", "annotator_3"]


def raf(root):
    settings = folders.write_raf(root, machine=True)
    return {f"dataset.{name}": value for name, value in settings.items() if name != "kind"}, 2


def affectnet(root):
    return {"dataset.folder": folders.write_affectnet_csv(root)["folder"]}, 2


def cifar10(root):
    folders.write_cifar10(root)
    return {"dataset.folder": str(root), "dataset.verify": "false"}, 2


def new_dataset(root):
    rows = [
        {"path": row["path"], "emotion": ("neutral", "happy", "anger")[i % 3], "valence": row["valence"],
         "arousal": row["arousal"]}
        for i, row in enumerate(folders.manifest_rows())
    ]  # fmt: skip
    return {"dataset.file": folders.write_manifest(root, rows)["file"]}, 2


def methods(root):
    sizes = {"dataset.train": 64, "dataset.validation": 28, "dataset.test": 28}
    return {**sizes, "search.lambda.grid": "[0.3]"}, 8


def annotators(root):
    settings, _ = cifar10(root)
    return {**settings, "search.lambda.grid": "[0.4]"}, 2


def machine_labels(root):
    """The annotator and its target by their own study files, made small; then the labels that it has written."""
    sizes = {"train": 64, "validation": 28, "test": 28}
    for name in ("annotator", "machine_labels"):
        raw = yaml.safe_load((ROOT / "studies" / f"{name}.yaml").read_text())
        raw["dataset"] |= sizes
        raw["training"] |= {"epochs": 1, "batch_size": 16, "warmup_epochs": 0}
        root.mkdir(exist_ok=True)
        (root / f"{name}.yaml").write_text(yaml.safe_dump(raw))
    words = [root / "annotator.yaml", root / "machine_labels.yaml", "--results", root]
    subprocess.run([sys.executable, "-m", "fer_tune.annotate", *map(str, words)], cwd=ROOT, check=True, timeout=120)
    labels = root / "annotations" / "machine_labels" / "by_annotator.csv"
    assert labels.exists()
    lists = {"search.lr.per_lambda": "[2.0e-3, 2.0e-3]", "dataset.machine_labels": str(labels)}
    return {**{f"dataset.{name}": n for name, n in sizes.items()}, **lists}, 2


STUDIES = {f.__name__: f for f in (raf, affectnet, cifar10, new_dataset, methods, annotators, machine_labels)}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What each study printed, where its results are, and how many trials it should have."""
    work = {}
    for name, build in STUDIES.items():
        folder = tmp_path_factory.mktemp(name)
        changes, trials = build(folder / "data")
        words = [word for key, value in {**SMALL, **changes}.items() for word in ("--set", f"{key}={value}")]
        work[name] = (folder, [ROOT / "studies" / f"{name}.yaml", "--cpus", "1", *words], trials)
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda w: run_command(*w[1], cwd=w[0]), work.values())
        return {
            name: (answer, folder / "results" / name, trials)
            for (name, (folder, _, trials)), answer in zip(work.items(), done, strict=True)
        }


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_shipped_study_runs_to_its_report(ran, name):
    done, results, expected = ran[name]
    assert done.returncode == 0, done.stdout + done.stderr
    trials = pd.read_csv(results / "trials.csv")
    assert len(trials) == expected and set(trials["status"]) == {"finished"}
    page = (results / "report" / "index.html").read_text()
    assert "Accuracy by λ" in page and ("Systems side by side" in page) == (name in ("methods", "annotators"))


@pytest.mark.slow
def test_each_annotator_or_their_vote_is_learned(ran):
    _, results, _ = ran["annotators"]
    trials = pd.read_csv(results / "trials.csv")
    each, vote = (trials[trials["training.majority"] == m].iloc[0] for m in (False, True))
    assert each[[f"val_accuracy_{name}" for name in ANNOTATORS[1:]]].notna().all()
    assert vote[[f"val_accuracy_{name}" for name in ANNOTATORS[1:]]].isna().all()


@pytest.mark.slow
def test_methods_without_a_joint_game_run_once_at_lambda_zero(ran):
    _, results, _ = ran["methods"]
    trials = pd.read_csv(results / "trials.csv")
    assert trials.groupby("method")["lambda"].unique().map(list).to_dict() == {
        "joint": [0.3], "multitask": [0.0], "coteaching": [0.0], "gce": [0.0],
    }  # fmt: skip
    assert trials[trials["method"] == "coteaching"]["val_ccc"].isna().all()
