"""Rules in a domain that they were not set up on: clean labels from elsewhere alone, a seed that only scores."""

import math

import numpy as np
import pandas as pd
import pytest

from fer_tune.decision.rules import FITTED, NOISY, ORACLE, PAPER, RANDOM, TRUSTED
from fer_tune.decision.transfer import BEST_ELSEWHERE, cases, summary
from tests.support.readings import best

PEN = {"test_score": [0.6, 0.85, 0.8, 0.7]}  # best at 0.2, where the others are best at 0.6


def trials(seeds=(0, 1), domains=("studio", "line"), **line):
    """Two conditions in each domain; the domain line has its own columns."""
    tables = [
        best(**(line if domain == "line" else {})).assign(domain=domain, condition=f"{domain} {noise}", seed=seed)
        for domain in domains
        for noise in (0.2, 0.4)
        for seed in seeds
    ]
    return pd.concat(tables, ignore_index=True)


def by_rule(found, condition):
    return {case.rule: case for case in found if case.condition == condition}


def test_what_needs_clean_labels_is_set_up_on_the_other_domains():
    found = by_rule(cases(trials(**PEN)), "line 0.2")
    assert found[BEST_ELSEWHERE].lams == (0.6, 0.6)
    assert found[BEST_ELSEWHERE].regret == pytest.approx(0.05)
    assert found[FITTED].lams == (0.6, 0.6)
    assert found[TRUSTED].lams == (0.6, 0.6), "elsewhere the CCC chooses best"
    assert found[ORACLE].lams == (0.2, 0.2)
    assert found[ORACLE].regret == 0
    assert found[NOISY].regret == 0
    assert found[PAPER].regret == pytest.approx(0.15)
    assert found[RANDOM].regret == pytest.approx(0.85 - np.mean(PEN["test_score"]))
    assert all(map(math.isnan, found[RANDOM].lams))


def test_clean_labels_of_a_domain_never_set_up_what_is_scored_there():
    usual, spoilt = (cases(trials(**PEN, **more)) for more in ({}, {"calibration_score": [0.9, 0.1, 0.1, 0.1]}))
    turned = cases(trials(test_score=[0.9, 0.2, 0.1, 0.0]))
    for rule in (BEST_ELSEWHERE, FITTED, TRUSTED):
        lams = [by_rule(found, "line 0.4")[rule].lams for found in (usual, spoilt, turned)]
        assert len(set(lams)) == 1, rule


def test_the_seed_that_scores_has_no_part_in_setting_up_or_in_choosing():
    table = trials(**PEN)
    spoilt = table.copy()
    last, plain = spoilt["seed"] == 1, (spoilt["lambda"] == 0).astype(float)
    for name, where in (("score", last), ("ccc_score", last), ("test_score", last & (spoilt["domain"] == "studio"))):
        spoilt[name] = plain.where(where, spoilt[name])
    for rule in (NOISY, BEST_ELSEWHERE, FITTED, TRUSTED):
        first, second = (by_rule(cases(t), "line 0.2")[rule].lams for t in (table, spoilt))
        assert first[1] == second[1], f"{rule}: chosen with seed 0, scored on seed 1"
    assert by_rule(cases(spoilt), "line 0.2")[NOISY].lams == (0.0, 0.2)


def test_one_seed_or_one_domain_has_nothing_to_score():
    assert cases(trials(seeds=(0,))) == []
    assert cases(trials(domains=("studio",))) == []


def test_the_summary_ranks_complete_rules_by_mean_regret_and_shows_each_domain():
    table = trials(**PEN)
    table.loc[table["domain"] == "line", "ccc_score"] = np.nan
    found = summary(cases(table))
    assert found.loc[NOISY, "cases"] == 4
    assert found.loc[NOISY, "regret"] == pytest.approx(0.01)
    assert found.loc[NOISY, "worst"] == pytest.approx(0.02)
    assert found.loc[NOISY, ["studio", "line"]].tolist() == pytest.approx([0.02, 0])
    assert math.isnan(found.loc[NOISY, "low"]), "no interval of four cases"
    assert found.loc["noisy validation CCC", "cases"] == 2
    assert set(found.index[-2:]) == {"noisy validation CCC", TRUSTED}, "which is the CCC elsewhere"
    complete = found[found["cases"] == 4]["regret"]
    assert complete.is_monotonic_increasing
