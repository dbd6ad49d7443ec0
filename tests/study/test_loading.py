"""The study file: every mistake is one clear line that says where it is and what would be right."""

import pytest

from fer_tune.run import main
from fer_tune.study.errors import StudyError
from fer_tune.study.loading import load_plan

MISTAKES = {
    "unknown key": ({"trainings": {"epochs": 4}}, "study.yaml:23: unknown key 'trainings': did you mean 'training'?"),
    "unknown nested key": ({"model": {"widht": 0.5}}, "unknown key 'model.widht': did you mean 'width'?"),
    "unknown searched setting": ({"search": {"lamda": {"grid": [0.1]}}}, "unknown setting 'lamda': did you mean 'lambda'?"),
    "wrong type": ({"training": {"epochs": "many"}}, "training.epochs: input should be a valid integer: it is \"many\""),
    "text for a number": ({"training": {"lr": "fast"}}, "training.lr: input should be a valid number"),
    "truth for a number": ({"training": {"epochs": True}}, "training.epochs: input should be a valid integer"),
    "empty grid": ({"search": {"lambda": {"grid": []}}}, "search.lambda: grid is empty"),
    "empty condition": ({"conditions": {"noise_ratio": []}}, "conditions.noise_ratio: list at least one value"),
    "reversed range": ({"search": {"lr": {"log_uniform": [1e-2, 1e-4]}}}, "log_uniform must list its lowest value first, then its highest: it is [0.01, 0.0001]"),
    "reversed sample": ({"conditions": {"noise_ratio": {"sample": [0.5, 0.1]}}}, "sample must list its lowest value first"),
    "log range from zero": ({"search": {"lr": {"log_uniform": [0.0, 1e-4]}}}, "must start above 0"),
    "a value a lambda, one short": ({"search": {"lambda": {"grid": [0.0, 0.5]}, "lr": {"per_lambda": [0.1]}}}, "search.lr: per_lambda lists 1 values for 2 values of lambda's grid"),
    "a value a method, too many": ({"conditions": {"method": ["joint"]}, "search": {"lr": {"per_method": [0.1, 0.2]}}}, "search.lr: per_method lists 2 values for 1 values of the condition method"),
    "a value a lambda without a grid": ({"search": {"lambda": {"uniform": [0.0, 0.5]}, "lr": {"per_lambda": [0.1]}}}, "for 0 values of lambda's grid"),
    "a race with a searched rate": ({"search": {"lambda": {"grid": [0.0, 0.5]}, "lr": {"log_uniform": [1e-4, 1e-2]}}, "decide": {}}, "decide: races one configuration of each lambda, but search.lr gives each several: fix it under training, list one value for each lambda with per_lambda, or search with a list of `seeds` instead"),
    "two kinds of range": ({"search": {"lr": {"uniform": [0.1, 0.2], "grid": [0.1]}}}, "exactly one of"),
    "negative lambda in a grid": ({"search": {"lambda": {"grid": [-0.1]}}}, "search.lambda: input should be greater than or equal to 0: it is -0.1"),
    "negative lambda in a range": ({"search": {"lambda": {"uniform": [-0.1, 1.0]}}}, "search.lambda: input should be greater"),
    "noise ratio of one": ({"noise": {"ratio": 1.0}}, "noise.ratio: input should be less than 1: it is 1.0"),
    "noise ratio in a condition": ({"conditions": {"noise_ratio": [0.2, 1.5]}}, "conditions.noise_ratio: input should be less than 1: it is 1.5"),
    "vanishing width": ({"model": {"width": 0.01}}, "model.width: input should be greater than or equal to 0.125"),
    "image size": ({"dataset": {"kind": "synthetic", "image_size": 48}}, "dataset.image_size: input should be 32, 64 or 128: it is 48"),
    "unknown data set": ({"dataset": {"kind": "imagenet"}}, "dataset: kind must be one of synthetic, raf, affectnet, cifar10, ferplus, folders, manifest: it is 'imagenet'"),
    "data set without kind": ({"dataset": {"image_size": 32}}, "dataset: kind must be one of synthetic"),
    "data set's misspelt key": ({"dataset": {"kind": "raf", "foldr": "x"}}, "unknown key 'dataset.foldr': did you mean 'folder'?"),
    "misspelt key of a manifest": ({"dataset": {"kind": "manifest", "labelsets": []}}, "unknown key 'dataset.labelsets': did you mean 'sets'?"),
    "data set without folder": ({"dataset": {"kind": "raf"}}, "dataset.folder: is missing: add it"),
    "set without classes": ({"dataset": {"kind": "manifest", "file": "x.csv", "sets": [{"name": "a", "kind": "categorical", "columns": ["a"]}]}}, "dataset.sets.0: a categorical set needs `classes`"),
    "no class at all": ({"dataset": {"kind": "manifest", "file": "x.csv", "sets": [{"name": "a", "kind": "continuous", "columns": ["a"]}]}}, "name at least one categorical label set"),
    "ratio of no set": ({"noise": {"ratios": {"emotoin": 0.2}}}, "noise.ratios.emotoin: no label set 'emotoin': did you mean 'emotion'?"),
    "instance noise without values": ({"dataset": {"kind": "raf", "folder": "x"}, "noise": {"kind": "instance", "ratio": 0.2}}, "noise.kind: instance needs a continuous label set"),
    "instance noise by set": ({"noise": {"kind": "instance", "ratios": {"emotion": 0.2}}}, "makes all label sets wrong together"),
    "unknown method": ({"training": {"method": "mixup"}}, "training.method: input should be 'joint', 'multitask', 'coteaching' or 'gce'"),
    "method with a lambda": ({"training": {"method": "gce", "lambda": 0.4}}, "has no joint loss"),
    "forgetting an unknown share": ({"noise": {"ratio": 0.0}, "training": {"method": "coteaching", "batch_size": 32}}, "training.method: coteaching needs training.forget_rate"),
    "CCC of classes alone": ({"objective": "val_ccc", "conditions": {"method": ["coteaching"]}}, "objective: val_ccc: method=coteaching"),
    "weights without their input": ({"model": {"encoder_weights": "vgg.pt"}}, "model: encoder_weights needs encoder_input"),
    "test metric as objective": ({"objective": "test_accuracy"}, "objective: input should be 'val_accuracy'"),
    "a seed twice": ({"seeds": [1, 1]}, "seeds: lists a seed twice: [1, 1]"),
    "no seed": ({"seeds": []}, "seeds: list at least one value"),
    "no name": ({"name": None}, "name: input should be a valid string"),
    "name that leaves the folder": ({"name": "../up"}, "name: use up to 64 letters, digits"),
    "two roles": ({"conditions": {"lr": [1e-3]}, "search": {"training.lr": {"grid": [1e-4]}}}, "search.training.lr: training.lr is varied twice: list it either under conditions or under search"),
    "two names of one setting": ({"search": {"lambda": {"grid": [0.0]}, "training.lambda": {"grid": [0.5]}}}, "search.training.lambda: training.lambda is varied twice"),
    "epochs searched": ({"search": {"training.epochs": {"grid": [4]}}}, "is never optimised"),
    "confusion without matrix": ({"noise": {"kind": "confusion"}}, "kind: confusion needs `matrix`"),
    "matrix of other classes": ({"noise": {"kind": "confusion", "matrix": [[1.0, 0.0], [0.0, 1.0]]}}, "noise.matrix: matrix has 2 rows for 7 classes"),
    "score weight": ({"training": {"batch_size": 32, "score_weights": {"imge": 2.0}}}, "no score 'imge': did you mean 'image'?"),
    "batch larger than data": ({"training": {"batch_size": 65}}, "training.batch_size: batch_size 65 exceeds the 64"),
    "all warm-up": ({"training": {"epochs": 2, "batch_size": 32, "warmup_epochs": 2}}, "training.warmup_epochs: warmup_epochs 2 leaves"),
    "not a number": ({"training": {"lr": float("nan")}}, "training.lr"),
    "bare value searched": ({"search": {"lr": 0.001}}, "search.lr: write {grid: [...]}, {uniform: [low, high]} or {log_uniform: [low, high]}; a fixed value belongs under training: it is 0.001"),
    "percent for a ratio": ({"noise": {"ratio": 40}}, "noise.ratio: input should be less than 1: it is 40"),
    "misspelt sample": ({"conditions": {"noise_ratio": {"smple": [0.1, 0.5]}}}, "unknown key 'conditions.noise_ratio.smple': did you mean 'sample'?"),
    "condition that is not a list": ({"conditions": {"noise_ratio": 3}}, "conditions.noise_ratio: write a list of values, or {sample: [low, high]}: it is 3"),
    "negative GPU": ({"resources": {"gpu": -1}}, "resources.gpu: input should be greater than or equal to 0: it is -1"),
    "GPU in words": ({"resources": {"gpu": "half"}}, "input should be 'auto' or input should be a valid number"),
    "range of whole numbers": ({"search": {"training.batch_size": {"uniform": [16, 64]}}}, "search.training.batch_size: 'training.batch_size' is not a real number"),
    "sampled epochs": ({"conditions": {"training.epochs": {"sample": [4, 8]}}}, "list its values instead of a range"),
    "range of truth": ({"search": {"training.augment": {"uniform": [0, 1]}}}, "is not a real number"),
    "scheduler across noise ratios": ({"conditions": {"noise_ratio": {"sample": [0.1, 0.5]}}, "scheduler": "asha"}, "scheduler: asha would compare trials at different noise ratios"),
    "infinite lambda": ({"training": {"lambda": float("inf"), "batch_size": 32}}, "training.lambda: input should be a finite number"),
    "score weight that is not a number": ({"training": {"score_weights": {"image": float("nan")}, "batch_size": 32}}, "should be a finite number"),
    "no CPU": ({"resources": {"cpu": 0}}, "resources.cpu: input should be greater than or equal to 1"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_clear_line_and_exit_code_2(study_file, capsys, changes, message, tmp_path):
    path = study_file(**changes)
    assert main([str(path), "--results", str(tmp_path / "results")]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert error.startswith(str(path))
    assert "Traceback" not in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [unclosed", "not valid YAML"),
        ("name: a\nname: b", ":2: not valid YAML: duplicate key 'name'"),
        ("- a\n- b", "is a mapping of keys"),
        ("", "is a mapping of keys"),
        ("name: !!python/object/apply:os.system [id]", "not valid YAML"),
        ("name: \x00", "not valid YAML"),
        ("name: a\n2020-01-01: 3", "keys must be text"),
        ("name: a\nsearch: &a {lambda: *a}", "nothing may contain itself"),
    ],
)
def test_a_file_that_is_not_a_study_is_refused(tmp_path, text, message):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=message):
        load_plan(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"nowhere\.yaml: cannot be read"):
        load_plan(tmp_path / "nowhere.yaml")


def test_lines_of_mistakes_are_those_of_the_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("name: a\n\nmodel:\n  width: 1.0\n  depth: 3\nconditions:\n  noise_ratio: [0.1, 2.0]\n")
    with pytest.raises(StudyError, match=r"study\.yaml:5: unknown key 'model\.depth'"):
        load_plan(path)
    path.write_text(path.read_text().replace("  depth: 3\n", ""))
    with pytest.raises(StudyError, match=r"study\.yaml:6: conditions\.noise_ratio"):
        load_plan(path)


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("training.epochs=7", lambda s: s.training.epochs == 7),
        ("training.lr=1e-3", lambda s: s.training.lr == 1e-3),
        ("search.lambda.grid=[0.1, 0.2]", lambda s: s.search["lambda"].grid == (0.1, 0.2)),
        ("conditions.training.batch_size=[16, 32]", lambda s: s.conditions["training.batch_size"] == (16, 32)),
        ("seeds=[4]", lambda s: s.seeds == (4,)),
    ],
)
def test_set_overrides_any_value(study_file, override, read):
    assert read(load_plan(study_file(conditions={"training.batch_size": [8]}), [override]).study)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epochs=none", "--set training.epochs: input should be a valid integer"),
        ("training.epoch=3", "--set training.epoch: unknown key 'training.epoch': did you mean 'epochs'?"),
        ("epochs", "write key.path=value"),
        ("name.first=a", "name is not a mapping"),
        ("seeds=[1", "the value is not valid YAML"),
    ],
)
def test_a_wrong_override_is_named(study_file, override, message):
    with pytest.raises(StudyError) as error:
        load_plan(study_file(), [override])
    assert message in str(error.value)
