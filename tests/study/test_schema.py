"""The schema of a study file: the shipped copy is current, and editors can use it."""

import json

from fer_tune.run import main
from fer_tune.study.schema import Study
from tests.support.studies import SHIPPED


def test_the_shipped_schema_is_current(capsys):
    assert main(["--schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((SHIPPED / "study.schema.json").read_text())


def test_the_schema_uses_the_names_of_study_files():
    schema = Study.model_json_schema(by_alias=True)
    assert "lambda" in schema["$defs"]["TrainingSpec"]["properties"]
    assert "lam" not in schema["$defs"]["TrainingSpec"]["properties"]


def test_every_setting_of_a_study_file_is_described():
    properties = Study.model_json_schema(by_alias=True)["properties"]
    sections = {"dataset", "noise", "model", "training", "optuna", "resources", "report"}
    assert {name for name, about in properties.items() if "description" not in about} <= sections
