"""What a study runs: cells, trials and their settings."""

import pytest

from fer_tune.names import LAMBDA, Setting
from fer_tune.study.errors import MisplacedError
from fer_tune.study.plan import as_begun, left_open, make_plan
from fer_tune.study.schema import Study
from tests.support.studies import LR

METHOD = Setting.named("method")
LOG_LR = {"log_uniform": [1e-4, 1e-2]}


def test_cells_cross_conditions_with_grids_and_leave_ranges_to_optuna(plan_of):
    plan = plan_of(
        conditions={"noise_ratio": [0.2, 0.4]},
        search={"lambda": {"grid": [0.0, 0.5, 1.0]}, "lr": LOG_LR},
        seeds=[0, 1],
        optuna={"trials": 5},
    )
    assert [cell.key for cell in plan.cells[:2]] == ["noise_ratio=0.2,lambda=0.0", "noise_ratio=0.2,lambda=0.5"]
    assert [cell.condition_key for cell in plan.cells[2:4]] == ["noise_ratio=0.2", "noise_ratio=0.4"]
    assert len(plan.cells) == 6
    assert {tuple(cell.space) for cell in plan.cells} == {(LR,)}
    assert plan.total_trials == 6 * 5 * 2
    assert plan.runs_per_configuration == 2
    assert not plan.study.maximises_gain
    config = plan.cells[4].config({LR: 0.005}, seed=1)
    assert (config.noise.ratio, config.training.lam, config.training.lr, config.seed) == (0.4, 0.5, 0.005, 1)


def test_a_setting_may_have_one_value_for_each_lambda(plan_of):
    search = {"lr": {"per_lambda": [4e-3, 2e-3]}, "lambda": {"grid": [0.0, 0.5]}}
    plan = plan_of(conditions={"noise_ratio": [0.2, 0.4]}, search=search)
    assert [cell.key for cell in plan.cells[:2]] == [
        "noise_ratio=0.2,lambda=0.0,lr=0.004",
        "noise_ratio=0.2,lambda=0.5,lr=0.002",
    ]
    assert len(plan.cells) == 4
    assert plan.total_trials == 4
    training = plan.cells[3].config({}, 0).training
    assert (training.lam, training.lr) == (0.5, 0.002)


def test_a_setting_may_have_one_value_for_each_method(plan_of):
    search = {"lambda": {"grid": [0.3]}, "lr": {"per_method": [2e-3, 1e-3]}}
    conditions = {"method": ["joint", "gce"], "dataset.class_prior": ["uniform", "raf"]}
    configs = [cell.config({}, 0) for cell in plan_of(conditions=conditions, search=search).cells]
    assert [(c.training.method, c.training.lr) for c in configs] == [("joint", 2e-3)] * 2 + [("gce", 1e-3)] * 2


def test_methods_without_a_joint_game_are_searched_without_lambda(plan_of):
    search = {"lambda": {"grid": [0.3, 0.6]}, "lr": {"grid": [1e-3, 2e-3]}}
    plan = plan_of(conditions={"method": ["joint", "gce"]}, search=search)
    lam = Setting.named("lambda")
    assert [(cell.condition[METHOD], cell.grid[lam], cell.grid[LR]) for cell in plan.cells] == [
        ("joint", 0.3, 1e-3), ("joint", 0.3, 2e-3), ("joint", 0.6, 1e-3), ("joint", 0.6, 2e-3),
        ("gce", 0.0, 1e-3), ("gce", 0.0, 2e-3),
    ]  # fmt: skip


def test_a_method_without_a_joint_game_needs_no_range_of_lambda(plan_of):
    plan = plan_of(training={"method": "gce", "batch_size": 32}, search={"lambda": {"uniform": [0, 1]}})
    assert not plan.cells[0].space
    assert plan.cells[0].config({}, 0).training.lam == 0


def test_a_method_without_a_joint_game_takes_the_first_value_beside_lambda(plan_of):
    search = {"lambda": {"grid": [0.3, 0.6]}, "lr": {"per_lambda": [1e-3, 2e-3]}}
    plan = plan_of(conditions={"method": ["gce"]}, search=search)
    assert [cell.grid for cell in plan.cells] == [{Setting.named("lambda"): 0.0, LR: 1e-3}]


@pytest.mark.parametrize(("training", "rate"), [({}, 0.4), ({"forget_rate": 0.2}, 0.2)])
def test_coteaching_forgets_the_noise_ratio_unless_told(plan_of, training, rate):
    config = plan_of(training={"method": "coteaching", "batch_size": 32, **training}).cells[0].config({}, 0)
    assert config.resolved_training.forget_rate == rate
    assert [s.name for s in config.label_sets] == ["emotion"]


def test_the_noise_ratio_may_be_a_condition(plan_of):
    plan = plan_of(conditions={"noise_ratio": [0.2, 0.4]})
    assert len(plan.cells) == 4
    assert not plan.study.maximises_gain


def test_the_noise_ratio_may_be_sampled(plan_of):
    plan = plan_of(conditions={"noise_ratio": {"sample": [0.0, 0.6]}}, optuna={"trials": 3})
    assert len(plan.cells) == 2
    assert plan.cells[0].sampled == (Setting.named("noise_ratio"),)
    assert plan.total_trials == 6


def test_the_noise_ratio_may_be_optimised_and_then_each_trial_has_a_baseline(plan_of):
    search = {"lambda": {"uniform": [0.0, 1.0]}, "noise_ratio": {"uniform": [0.0, 0.6]}}
    plan = plan_of(search=search, optuna={"trials": 3})
    assert len(plan.cells) == 1
    assert plan.study.maximises_gain
    assert plan.total_trials == 6


@pytest.mark.parametrize(
    ("search", "lr"),
    [
        ({"log_uniform": [1e-4, 1e-2]}, 1e-3),
        ({"log_uniform": [1e-5, 1e-1]}, 1e-3),
        ({"uniform": [1e-3, 3e-3]}, 2e-3),
    ],
)
def test_a_typical_trial_has_the_middle_of_each_range_on_its_own_scale(plan_of, search, lr):
    """Geometric for log_uniform: recommend, annotate and cost all take this one."""
    (cell,) = plan_of(search={"lr": search}).cells
    (dimension,) = cell.space.values()
    assert dimension.middle == pytest.approx(lr)
    assert cell.typical().training.lr == pytest.approx(lr)


def test_a_typical_trial_has_the_first_seed_unless_another_is_named(plan_of):
    cell = plan_of(seeds=[7, 8]).cells[0]
    assert cell.typical().seed == 7
    assert cell.typical(3).seed == 3


def test_the_ends_of_a_range_are_its_lowest_and_highest_value(plan_of):
    (cell,) = plan_of(search={"lr": LOG_LR}).cells
    assert (cell.at(min).training.lr, cell.at(max).training.lr) == (1e-4, 1e-2)


def test_a_listed_value_has_no_middle(plan_of):
    study = plan_of().study
    assert study.search["lambda"].middle is None
    assert study.search["lambda"].range is None


@pytest.mark.parametrize("name", ["lambda", "training.lambda"])
def test_a_setting_reads_the_same_under_its_short_and_its_full_name(plan_of, name):
    plan = plan_of(search={name: {"grid": [0.0, 0.5]}})
    assert [cell.config({}, 0).training.lam for cell in plan.cells] == [0.0, 0.5]
    assert plan.study.lambda_grid == (0.0, 0.5)
    assert {setting.path for setting in plan.cells[0].grid} == {LAMBDA}
    assert plan.cells[1].key == f"{name}=0.5", "folders keep the name that the file uses"


def test_short_and_full_names_of_conditions_read_the_same(plan_of):
    short, full = (
        plan_of(conditions={name: [0.2]}, search={"lambda": {"grid": [0.5]}}) for name in ("noise_ratio", "noise.ratio")
    )
    assert short.cells[0].config({}, 0) == full.cells[0].config({}, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"search": {"lambda": {"grid": [0.0]}, "training.lambda": {"grid": [0.5]}}},
        {"conditions": {"training.lr": [1e-3]}, "search": {"lr": {"grid": [1e-4]}}},
        {"conditions": {"noise_ratio": [0.1], "noise.ratio": [0.2]}},
    ],
)
def test_a_setting_named_twice_is_refused(changes):
    with pytest.raises(ValueError, match="is varied twice: list it either"):
        Study.model_validate({"name": "twice", **changes})


def test_every_corner_of_every_search_is_checked_before_a_trial_runs(plan_of):
    study = plan_of().study
    wrong = study.model_copy(update={"objective": "val_ccc", "training": study.training.model_copy(
        update={"method": "coteaching"}
    )})  # fmt: skip
    with pytest.raises(MisplacedError, match="learns no continuous label set") as raised:
        make_plan(wrong)
    assert raised.value.location == ("objective",)


def test_each_data_set_is_named_once(plan_of):
    plan = plan_of(conditions={"dataset.class_prior": ["uniform", "raf"], "noise_ratio": [0.2, 0.4]})
    assert [spec.class_prior for spec in plan.datasets().values()] == ["uniform", "raf"]


def test_a_resolved_study_makes_the_same_plan(plan_of):
    plan = plan_of(conditions={"noise_ratio": [0.2]}, search={"lambda": {"uniform": [0, 1]}, "lr": LOG_LR})
    again = make_plan(Study.model_validate(plan.resolved))
    assert again == plan
    assert again.resolved == plan.resolved


def keys_of(values):
    raw = {"name": "a", "conditions": {"dataset.machine_labels": values}}
    return [cell.key for cell in make_plan(Study.model_validate(raw)).cells]


@pytest.mark.parametrize("values", [["标注甲.csv", "标注乙.csv"], ["é", "è", "e"], ["x" * 300 + "1", "x" * 300 + "2"]])
def test_different_values_have_different_folder_names_that_a_file_system_takes(values):
    keys = keys_of(values)
    assert len(set(keys)) == len(values)
    assert all(len(key) <= 200 for key in keys)
    assert all(key.isascii() for key in keys)


def test_plain_values_keep_the_names_that_they_always_had():
    assert keys_of(["data/a.csv", "b c.csv"]) == ["dataset.machine_labels=data_a.csv", "dataset.machine_labels=b_c.csv"]


def test_values_that_would_share_a_folder_are_refused_before_anything_runs():
    with pytest.raises(MisplacedError, match="'a/b' and 'a_b' become the same folder name") as error:
        keys_of(["a/b", "a_b"])
    assert error.value.location == ("conditions", "dataset.machine_labels")


def test_a_plan_that_continues_takes_over_only_what_its_file_leaves_open(plan_of):
    begun = plan_of(training={"batch_size": 32, "average": 0.0, "order": "generator_first"}).study
    plan = plan_of(training={"batch_size": 32, "average": 0.9})
    assert [setting.path for setting in left_open(plan.study)] == ["training.order", "training.crop_padding"]
    training = as_begun(plan, begun).cells[1].config({}, 0).training
    assert (training.average, training.order) == (0.9, "generator_first")
    assert as_begun(plan, plan.study) is plan
