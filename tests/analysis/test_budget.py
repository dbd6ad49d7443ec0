"""Which lambda leads after how many epochs."""

from fer_tune.analysis.budget import by_budget, sentences
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
    assert "shorter runs favour λ =" in text


def test_a_steady_leader_is_said_to_lead_throughout(results_folder):
    (text,) = sentences(by_budget(load(results_folder(plateau(lambda lam: 0.8 - 0.1 * lam)))))
    assert text.startswith("λ = 0 leads at every number of epochs")
