"""Every shipped study holds, and runs to its report on small folders in the real formats."""

import csv
from pathlib import Path

import pandas as pd
import pytest
import yaml

from fer_tune.analysis.report import write_report
from fer_tune.annotate import main as annotate
from fer_tune.study.errors import StudyError
from fer_tune.study.loading import load_plan
from fer_tune.study.schema import Study
from fer_tune.study.shipped import find_study, question, shipped_studies
from tests.support import folders
from tests.support.commands import run_command
from tests.support.studies import SHIPPED, SMALL_DATA, run_here

SMALL = {
    "model.width": 0.125, "model.encoder_norm": "batch", "dataset.image_size": 32, "training.epochs": 2,
    "training.warmup_epochs": 0, "training.batch_size": 16, "search.lambda.grid": "[0.0, 0.4]", "seeds": "[0]",
}  # fmt: skip
SMALL_SIZES = {"dataset.train": 64, "dataset.validation": 28, "dataset.test": 28}
ANNOTATORS = ["annotator_1", "annotator_2", "annotator_3"]


def raf(root):
    settings = folders.write_raf(root, machine=True)
    return {f"dataset.{name}": value for name, value in settings.items() if name != "kind"}, 2


def affectnet(root):
    return {"dataset.folder": folders.write_affectnet_csv(root)["folder"]}, 2


def affectnet_base(root):
    settings = folders.write_affectnet_csv(root)
    rows = [row for row in folders.affectnet_rows(66, "1") if int(row[6]) < 7]
    with open(root / "machine.csv", "w", newline="") as file:
        csv.writer(file).writerows([folders.AFFECTNET_HEADER, *rows])
    data = {"dataset.folder": settings["folder"], "dataset.machine_labels": str(root / "machine.csv")}
    return {**data, "model.encoder_weights": "null", "model.encoder_input": "unit"}, 2


def cifar10(root):
    folders.write_cifar10(root)
    return {"dataset.folder": str(root), "dataset.verify": "false"}, 2


def new_dataset(root):
    rows = [
        {"path": row["path"], "emotion": ("neutral", "happy", "anger")[i % 3], "valence": row["valence"],
         "arousal": row["arousal"]}
        for i, row in enumerate(folders.manifest_rows())
    ]  # fmt: skip
    return {"dataset.file": folders.write_manifest(root, rows)["file"]}, 3  # two lambdas and GCE


def methods(root):
    return {**SMALL_SIZES, "search.lambda.grid": "[0.3]"}, 8


def annotators(root):
    settings, _ = cifar10(root)
    return {**settings, "search.lambda.grid": "[0.4]"}, 2


def machine_labels(root):
    """The annotator and its target by their own study files, made small; then the labels that it has written."""
    names = ("annotator", "machine_labels")
    root.mkdir(exist_ok=True)
    for name in names:
        raw = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
        raw["dataset"] |= {"train": 64, "validation": 28, "test": 28}
        raw["training"] |= {"epochs": 1, "batch_size": 16, "warmup_epochs": 0}
        (root / f"{name}.yaml").write_text(yaml.safe_dump(raw))
    files = [str(root / f"{name}.yaml") for name in names]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 1)
        assert annotate([*files, "--results", str(root)]) == 0
    labels = root / "annotations" / "machine_labels" / "by_annotator.csv"
    assert labels.exists()
    return {**SMALL_SIZES, "search.lr.per_lambda": "[2.0e-3, 2.0e-3]", "dataset.machine_labels": str(labels)}, 2


STUDIES = {
    f.__name__: f for f in (raf, affectnet, affectnet_base, cifar10, new_dataset, methods, annotators, machine_labels)
}


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """Runs a shipped study made small, once: its results folder, and how many trials it should have."""
    known = {}

    def run(name):
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            changes, trials = STUDIES[name](folder / "data")
            overrides = [f"{key}={value}" for key, value in {**SMALL, **changes}.items()]
            results = run_here(load_plan(SHIPPED / f"{name}.yaml", overrides), folder / "results" / name)
            known[name] = results, trials
        return known[name]

    return run


def check(name, results, expected):
    trials = pd.read_csv(results / "trials.csv")
    assert len(trials) == expected
    assert set(trials["status"]) == {"finished"}
    page = (results / "report" / "index.html").read_text()
    assert "Accuracy by λ" in page
    assert ("Methods side by side" in page) == (name in ("methods", "annotators"))


@pytest.mark.parametrize("name", STUDIES)
def test_a_shipped_study_runs_to_its_report(ran, name):
    results, expected = ran(name)
    write_report(results)
    check(name, results, expected)


@pytest.mark.long
@pytest.mark.serial
@pytest.mark.parametrize("name", STUDIES)
def test_a_shipped_study_runs_to_its_report_by_the_command_line(tmp_path, name):
    changes, expected = STUDIES[name](tmp_path / "data")
    words = [word for key, value in {**SMALL, **changes}.items() for word in ("--set", f"{key}={value}")]
    done = run_command(SHIPPED / f"{name}.yaml", "--cpus", "1", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    check(name, tmp_path / "results" / name, expected)


def test_each_annotator_or_their_vote_is_learned(ran):
    trials = pd.read_csv(ran("annotators")[0] / "trials.csv")
    each, vote = (trials[trials["training.majority"] == m].iloc[0] for m in (False, True))
    assert each[[f"val_accuracy_{name}" for name in ANNOTATORS[1:]]].notna().all()
    assert vote[[f"val_accuracy_{name}" for name in ANNOTATORS[1:]]].isna().all()


def test_methods_without_a_joint_game_run_once_at_lambda_zero(ran):
    trials = pd.read_csv(ran("methods")[0] / "trials.csv")
    assert trials.groupby("method")["lambda"].unique().map(list).to_dict() == {
        "joint": [0.3], "multitask": [0.0], "coteaching": [0.0], "gce": [0.0],
    }  # fmt: skip
    assert trials[trials["method"] == "coteaching"]["val_ccc"].isna().all()


ROLES = {
    "condition": ["conditions={noise_ratio: [0.2, 0.4]}"],
    "sample": ["conditions={noise_ratio: {sample: [0.1, 0.5]}}"],
    "optimise": [
        "conditions={}",
        "search={lambda: {uniform: [0.1, 1.0]}, noise_ratio: {uniform: [0.1, 0.5]}}",
    ],
}
SMALL_SEARCH = [
    f"dataset={SMALL_DATA}",
    "training.epochs=2",
    "training.warmup_epochs=1",
    "training.batch_size=32",
    "optuna.trials=2",
]


def check_role(role, results):
    trials = pd.read_csv(results / "trials.csv")
    assert (trials["status"] == "finished").all()
    assert (trials["role"] == "baseline").any() == (role == "optimise")


@pytest.mark.parametrize("role", ROLES)
def test_the_search_study_runs_in_each_role_of_the_noise_ratio(tmp_path, role):
    plan = load_plan(SHIPPED / "search.yaml", [*SMALL_SEARCH, *ROLES[role]])
    check_role(role, run_here(plan, tmp_path / "results"))


@pytest.mark.long
@pytest.mark.serial
@pytest.mark.parametrize("role", ROLES)
def test_the_command_line_runs_the_search_study_in_each_role_of_the_noise_ratio(tmp_path, role):
    words = [word for text in [*SMALL_SEARCH, *ROLES[role]] for word in ("--set", text)]
    done = run_command(SHIPPED / "search.yaml", "--cpus", "1", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    check_role(role, tmp_path / "results" / "search")
    assert ("the gain over lambda = 0" in done.stdout) == (role == "optimise")


@pytest.mark.parametrize("path", shipped_studies().values(), ids=lambda path: path.stem)
def test_a_shipped_study_holds_and_names_the_shipped_schema(path):
    assert load_plan(path).study.name == path.stem
    head = path.read_text().splitlines()
    assert head[0] == "# yaml-language-server: $schema=study.schema.json"
    assert any("Question:" in line for line in head[:12])
    assert any("Cost:" in line for line in head[:16])
    assert set(yaml.safe_load(path.read_text())) <= set(Study.model_fields)
    assert question(path)


def test_a_shipped_study_is_found_by_its_name_and_a_path_is_left_alone(tmp_path):
    assert find_study(Path("smoke")) == SHIPPED / "smoke.yaml"
    for path in (Path("mine.yaml"), Path("folder/mine"), tmp_path):
        assert find_study(path) == path
    with pytest.raises(StudyError, match=r"no such file, and no shipped study has that name.*smoke"):
        find_study(Path("smok"))
