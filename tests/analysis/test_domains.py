"""Rules across domains: from results folders to the table, and what is refused."""

import pandas as pd
import pytest

from fer_tune.analysis.domains import main
from tests.support.made_up import PEAK, plateau

DOMAINS = {"dataset.domain": ["studio", "line", "lowlight"], "noise_ratio": [0.2, 0.4]}
LATE = plateau(lambda lam: 0.5 + 0.3 * lam)  # best at 1


def test_a_study_of_several_domains_gets_every_rules_regret(results_folder, tmp_path, capsys):
    path = results_folder(PEAK, conditions=DOMAINS)
    assert main([str(path), "--csv", str(tmp_path / "cases.csv")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("6 cases (domain × condition) in 3 domains: line, lowlight, studio. ")
    assert "Fewer than" not in said
    assert "rule noisy validation  needs held-out noisy labels  mean regret 0.000  worst 0.000  cases 6" in said
    assert "in line 0.000  in lowlight 0.000  in studio 0.000" in said
    table = pd.read_csv(tmp_path / "cases.csv", keep_default_na=False)
    own = table[table["rule"] == "noisy validation"]
    assert own["domain"].tolist() == ["line", "line", "lowlight", "lowlight", "studio", "studio"]
    assert set(own["lams"]) == {"0.2 0.2 0.2"}


def test_folders_of_one_domain_each_are_compared(results_folder, capsys):
    one = results_folder(PEAK, name="one", dataset={"kind": "synthetic", "domain": "studio"})
    two = results_folder(LATE, name="two", dataset={"kind": "synthetic", "domain": "street"})
    assert main([str(one), str(two)]) == 0
    said = capsys.readouterr().out
    assert "2 cases (domain × condition) in 2 domains: studio, street" in said
    assert "Fewer than 6 cases say little." in said
    (line,) = [line for line in said.splitlines() if line.startswith("rule best λ elsewhere")]
    assert "in studio 0.320  in street 0.240" in line, "1 at the peak of 0.2, and 0.2 where 1 is best"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": {"kind": "synthetic", "domain": "line"}}, "all trials are of one domain (line)"),
        ({"conditions": {"dataset.domain": ["studio", "line"]}, "seeds": [0]}, "nothing scores a choice"),
    ],
)
def test_what_cannot_be_compared_is_said(results_folder, capsys, changes, message):
    assert main([str(results_folder(PEAK, **changes))]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_folder_is_one_message(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "is not a results folder" in capsys.readouterr().err
