"""What a trial is and how it ended, as typed records."""

import pytest

from fer_tune.results.records import Role, Status, TrialRecord, TrialResult

RECORD = TrialRecord(
    role=Role.BASELINE, cell="lambda=0.5", condition_key="all", number=3, seed=7, varied={"lambda": 0.5},
    validation_samples=28, accuracy_shrinkage=0.53, config={"seed": 7},
)  # fmt: skip
RESULT = TrialResult(
    status=Status.STOPPED, objective=0.5, metric="val_accuracy", epochs=2, seconds=1.5, reason="asha in epoch 2"
)


def test_records_come_back_as_they_were_written():
    assert TrialRecord.from_json(RECORD.as_json()) == RECORD
    assert TrialResult.from_json(RESULT.as_json()) == RESULT


def test_roles_and_statuses_are_words_in_the_files():
    assert RECORD.as_json()["role"] == "baseline"
    assert RESULT.as_json()["status"] == "stopped"
    assert [role.value for role in Role] == ["trial", "baseline", "extended", "reference", "warm_up"]
    assert [status.value for status in Status] == ["finished", "stopped", "diverged", "failed"]


def test_only_a_warm_up_is_one():
    assert TrialRecord(role=Role.WARM_UP, config={}).is_warm_up
    assert not RECORD.is_warm_up


def test_a_record_needs_only_its_configuration():
    record = TrialRecord.from_json({"config": {}})
    assert record.role is Role.TRIAL
    assert (record.number, record.seed, record.warm_up) == (0, 0, None)


@pytest.mark.parametrize(
    "found", [[1], {}, {"config": 3}, {**RECORD.as_json(), "role": "king"}, {**RECORD.as_json(), "more": 1}]
)
def test_what_is_not_a_record_is_refused(found):
    with pytest.raises(ValueError, match=r"not a trial record|unknown keys|is not a valid Role"):
        TrialRecord.from_json(found)


@pytest.mark.parametrize(
    "found",
    [[1], {"objective": 1.0}, {**RESULT.as_json(), "objective": "much"}, {**RESULT.as_json(), "status": "won"}],
)
def test_what_is_not_a_result_is_refused(found):
    with pytest.raises(ValueError, match=r"not a trial's result|objective is not a number|is not a valid Status"):
        TrialResult.from_json(found)
