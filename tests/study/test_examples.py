"""Every setting stands in a shipped study or example, and every example can be run."""

from pathlib import Path

import pytest
import yaml

from fer_tune.names import Setting
from fer_tune.run import main
from fer_tune.study.schema import SECTIONS, Decide, OptunaSpec, ReportSpec, Resources, Study, section_fields
from tests.support import folders, table_forms

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
SHIPPED = [*EXAMPLES, *sorted((ROOT / "studies").glob("*.yaml"))]


def settings_of(path: Path) -> set[str]:
    """The full name of every setting that a study file names."""
    raw = yaml.safe_load(path.read_text())
    found = set(raw)
    for section in (*SECTIONS, "optuna", "resources", "decide", "report"):
        found |= {f"{section}.{key}" for key in raw.get(section) or {}}
    for role in ("conditions", "search"):
        found |= {Setting.named(name).path for name in raw.get(role, {})}
    return found


def test_every_setting_stands_in_a_shipped_study_or_example():
    wanted = set(Study.model_fields)
    wanted |= {f"{section}.{key}" for section in SECTIONS for key in section_fields(section)}
    wanted |= {f"optuna.{key}" for key in OptunaSpec.model_fields}
    wanted |= {f"resources.{key}" for key in Resources.model_fields}
    wanted |= {f"decide.{key}" for key in Decide.model_fields} | {f"report.{key}" for key in ReportSpec.model_fields}
    assert wanted - set().union(*map(settings_of, SHIPPED)) == set()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_what_it_answers_costs_and_shows(path):
    text = path.read_text()
    for heading in ("# Question: ", "# Cost: ", "# Shows: "):
        assert heading in text
    assert yaml.safe_load(text)["name"] == path.stem


def on_small_data(name: str, root: Path) -> dict[str, str]:
    """Overrides that point an example to a small folder in the form that it expects."""
    if name == "pretrained_encoder":
        settings = folders.write_affectnet_csv(root)
        return {
            "dataset.folder": settings["folder"],
            "dataset.machine_labels": "null",
            "dataset.machine_affect": "null",
            "training.batch_size": "16",
        }
    if name == "other_encoder":
        folder = folders.write_raf(root)["folder"]
        return {"dataset.folder": folder, "training.batch_size": "16", "model.encoder": "shufflenet_v2_x0_5"}
    if name == "folders":
        for split in ("train", "PublicTest", "PrivateTest"):
            for group in ("angry", "Happiness", "neutral", "sad", "unsure"):
                folders.write_pictures(root / split / group, 6)
        return {"dataset.folder": str(root), "training.batch_size": "16"}
    if name == "in_mlflow":
        return {"loggers": "[]"}  # MLflow is not among what the tests need
    if name == "as_the_paper_says":
        return {"decide.prior": "null"}  # the earlier study that it names has yet to be run
    if name == "real_annotators":
        folders.write_cifar10(root)
        changes = {"dataset.folder": str(root), "dataset.human_labels": "null", "dataset.verify": "false"}
        return {**changes, "training.batch_size": "16"}
    if name == "ferplus":
        return {"dataset.folder": folders.write_ferplus(root)["folder"], "training.batch_size": "16"}
    if name == "fer2013":
        table_forms.fer2013(root)
        return {"dataset.file": str(root / "fer2013.csv")}
    if name == "hugging_face":
        table_forms.hugging_face(root)
        files = {split: str(root / "data" / f"{split}-*.parquet") for split in ("train", "test")}
        return {"dataset.files": yaml.safe_dump(files, default_flow_style=True, width=10**6).strip()}
    if name == "faces_in_photographs":
        table_forms.rated_photographs(root)
        return {"dataset.file": str(root / "list.txt"), "dataset.folder": str(root / "photos")}
    if name == "two_annotators":
        rows = [
            {**row, "label_checked": row["label"], "label_b": ("calm", "cross", "glad")[i % 3], "person": f"p{i // 2}"}
            for i, row in enumerate(folders.manifest_rows())
        ]
        settings = folders.write_manifest(root, rows)
        return {"dataset.file": str(settings["file"]), "dataset.folder": str(root)}
    return {}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_can_be_planned(path, tmp_path, capsys):
    changes = on_small_data(path.stem, tmp_path / "data")
    words = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    assert main([str(path), "--dry-run", *words]) == 0, capsys.readouterr().err
    assert f"{path.stem}: " in capsys.readouterr().out
