"""Two studies side by side."""

import shutil

from fer_tune.analysis.compare import compared, main
from fer_tune.analysis.tables import load
from tests.support.made_up import plateau


def better(lam, seed, epoch):
    return plateau(lambda x: 0.7 + 0.1 * x)(lam, seed, epoch)


def worse(lam, seed, epoch):
    return better(lam, seed, epoch) - 0.05 - 0.01 * seed


def test_what_both_have_is_paired_by_seed(results_folder, tmp_path, capsys):
    first = results_folder(better)
    second = results_folder(worse, name="other", search={"lambda": {"grid": [0.2, 0.9, 1.0]}}, seeds=[1, 2, 3])
    rows = compared(load(first), load(second))
    assert [row["λ"] for row in rows] == ["0.2", "1"]
    assert {row["shared seeds"] for row in rows} == {"2"}
    assert rows[0]["difference"].startswith("-0.065 (")
    assert main([str(first), str(second)]) == 0
    out = capsys.readouterr().out
    assert "made_up (all): λ = 1 (winner)" in out
    assert "other (all): λ = 1 (winner)" in out
    third = results_folder(better, name="noisier", noise={"ratio": 0.6})
    main([str(first), str(third)])
    assert "noise.ratio: the first has 0.4, the second has 0.6" in capsys.readouterr().out
    fourth = results_folder(
        better, name="by_ratio", conditions={"noise_ratio": [0.2, 0.4]}, dataset={"kind": "synthetic", "train": 1000}
    )
    main([str(first), str(fourth)])
    out = capsys.readouterr().out
    assert "dataset.train: the first has 3000, the second has 1000" in out
    assert "noise.ratio: the first has 0.4, the second has 0.2, 0.4" in out
    assert "because the conditions differ: the first has no condition, the second has noise_ratio=0.2; " in out
    shutil.rmtree(second / "trials")
    (second / "study.json").unlink()
    assert main([str(first), str(second)]) == 2
    assert "is not a results folder" in capsys.readouterr().err
