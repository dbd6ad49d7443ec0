"""Which lambda leads after how many epochs."""

import pandas as pd

from fer_tune.analysis.budget import COLUMNS, by_budget, sentences
from fer_tune.analysis.tables import load
from tests.support.made_up import plateau


def late_winner(lam, seed, epoch):
    slow = {0.0: 1.0, 0.2: 2.0, 0.6: 4.0, 1.0: 12.0}[lam]
    return plateau(lambda x: 0.5 + 0.3 * x, speed=slow)(lam, seed, epoch)


def test_a_large_lambda_that_starts_slowly_leads_late(results_folder):
    results = load(results_folder(late_winner, epochs=60))
    table = by_budget(results).set_index("epochs")["lambda"]
    assert table.loc[5] < 1.0
    assert table.loc[60] == 1.0
    (text,) = sentences(by_budget(results))
    assert text.startswith("λ = 1 leads from about ")
    assert text.endswith("; with fewer epochs, the lead changes between λ = 0 and λ = 0.6.")


def test_a_leader_that_loses_its_lead_for_a_while_is_not_said_to_trail_before():
    leaders = {5: 0.0, 6: 0.3, 7: 0.0, 8: 0.0}
    rows = [("all", epochs, lam, 0.6, 0.2) for epochs, lam in leaders.items()]
    (text,) = sentences(pd.DataFrame(rows, columns=COLUMNS))
    assert text == (
        "λ = 0 leads from about 7 epochs on; with fewer epochs, the lead changes between λ = 0 and λ = 0.3."
    )


def test_a_steady_leader_is_said_to_lead_throughout(results_folder):
    (text,) = sentences(by_budget(load(results_folder(plateau(lambda lam: 0.8 - 0.1 * lam)))))
    assert text.startswith("λ = 0 leads at every number of epochs")
