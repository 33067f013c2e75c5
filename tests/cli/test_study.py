"""``cnnfast study batch-size``: the table, the files and what it refuses."""

import csv

import pytest

from cnnfast import cli
from cnnfast.cli import study
from idx_files import write_set


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from cnnfast.datasets import digits

    return write_set(tmp_path_factory.mktemp("idx"), digits.load_data(240, 60))


def test_batch_size_study(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "deep" / "study"
    arguments = ["--data", str(folder), "--sizes", "100,1,10", "--epochs", "2", "--samples", "200"]
    assert cli.main(["study", "batch-size", *arguments, "--seed", "1", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    with open(out / "batch_sizes.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["batch_size"]) for row in rows] == [1, 10, 100]
    assert [int(row["updates"]) for row in rows] == [400, 40, 4]
    for row in rows:
        seconds = float(row["seconds_per_epoch"])
        assert float(row["images_per_second"]) == pytest.approx(200 / seconds)
        assert 0 <= float(row["test_accuracy"]) <= 1
        assert f"{100 * float(row['test_accuracy']):.2f}%" in text
    # Many rough steps lead further than four good ones.
    assert float(rows[0]["test_loss"]) < float(rows[2]["test_loss"])
    assert (out / "batch_sizes.png").stat().st_size > 10_000


def test_the_same_seed_gives_the_same_figures(folder, tmp_path, capsys):
    tables = []
    for name in ("a", "b"):
        arguments = ["--data", str(folder), "--sizes", "50", "--epochs", "1", "--samples", "100"]
        assert cli.main(["study", "batch-size", *arguments, "--out", str(tmp_path / name)]) == 0
        with open(tmp_path / name / "batch_sizes.csv") as file:
            tables.append(next(csv.DictReader(file)))
    for column in ("train_loss", "test_loss", "test_accuracy"):
        assert tables[0][column] == tables[1][column]


@pytest.mark.parametrize("sizes", ["", "0", "1,x", "-5"])
def test_sizes_it_refuses(sizes, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["study", "batch-size", f"--sizes={sizes}"])
    assert stopped.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_figure_of_one_size():
    pytest.importorskip("matplotlib")
    row = study.Row(10, 30, 0.5, 200.0, 0.1, 0.2, 0.9)
    assert len(study.figure([row], "one").axes) == 3
