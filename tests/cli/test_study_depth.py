"""``cnnfast study depth``: plain and residual networks, their errors and gradients."""

import csv

import pytest

from cnnfast.cli import main, study_depth
from idx_files import write_set

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from cnnfast.datasets import digits

    return write_set(tmp_path_factory.mktemp("idx"), digits.load_data(96, 32))


def test_it_prints_and_writes_what_it_measured(folder, tmp_path, capsys):
    arguments = ["study", "depth", "--data", folder, "--depths", "8,14", "--width", 2, "--epochs", 2,
                 "--samples", 64, "--threads", 1, "--out", tmp_path / "out"]  # fmt: skip
    assert main([str(argument) for argument in arguments]) == 0
    printed = capsys.readouterr().out
    with (tmp_path / "out" / "errors.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["network"], r["depth"], r["epoch"]) for r in rows] == [
        (kind, depth, epoch)
        for kind in ("plain", "residual")
        for depth in ("8", "14")
        for epoch in ("1", "2")
    ]
    for row in rows:
        assert float(row["loss"]) > 0
        assert 0 <= float(row["train_error"]) <= 1 and 0 <= float(row["test_error"]) <= 1
    for row in rows[1::2]:  # the last epoch of each stands in the table
        assert f"{100 * float(row['train_error']):.2f}%" in printed
        assert f"{row['network']} {row['depth']}" in printed
    assert "plain: from 8 to 14 layers the training error" in printed
    with (tmp_path / "out" / "gradients.csv").open() as file:
        norms = list(csv.DictReader(file))
    assert len(norms) == 2 * (7 + 13)  # all convolutions, without projections
    assert all(float(row["gradient_norm"]) > 0 for row in norms)
    assert {"errors.png", "gradients.png"} <= {p.name for p in (tmp_path / "out").iterdir()}


def test_the_verdict_compares_training_errors():
    def trained(depth, plain, error):
        return study_depth.Trained(depth, plain, 1, 1.0, [1.0], [error], [error], [1.0])

    results = [trained(20, True, 0.1), trained(32, True, 0.3),
               trained(20, False, 0.05), trained(32, False, 0.02)]  # fmt: skip
    assert study_depth.verdict(results) == [
        "plain: from 20 to 32 layers the training error rises: 10.00 % -> 30.00 %",
        "residual: from 20 to 32 layers the training error falls: 5.00 % -> 2.00 %",
    ]


@pytest.mark.parametrize("depths", ["21", "2", "20,x", ","])
def test_depths_are_6n_plus_2(depths, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["study", "depth", "--depths", depths])
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
