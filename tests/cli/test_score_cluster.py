"""rankiqa score --backend dask: a scheduler and workers as threads of this process, which speak TCP."""

import pytest

pytest.importorskip("distributed")

from rankiqa import parallel
from rankiqa.cli import main
from rankiqa.errors import InputError
from rankiqa.scoring import cluster
from rankiqa.scoring.score_file import ScoreFile


@pytest.fixture
def dask(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(parallel, "PATIENCE", 60)  # of a busy machine
    monkeypatch.setattr(cluster, "JOB", 1)
    cluster._load.cache_clear()
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "protocol": "tcp", "host": "127.0.0.1"}
    with LocalCluster(dashboard_address=None, **options) as found:
        yield found


def score(model, *arguments):
    return main(["score", "--model", str(model), "--patches", "2", "--device", "cpu", *map(str, arguments)])


def on(dask):
    return "--backend", "dask", "--scheduler", dask.scheduler_address


def test_it_gives_the_same_rows_in_the_same_order(model, images, capsys, dask):
    (images / "broken.png").write_bytes(b"no image")
    assert score(model, ".", "--csv", "known.csv") == 1
    known = capsys.readouterr()
    assert score(model, ".", "--csv", "s.csv", *on(dask)) == 1
    assert capsys.readouterr() == known
    assert score(model, ".", "--out", "o.csv", *on(dask)) == 1
    assert (images / "s.csv").read_bytes() == (images / "o.csv").read_bytes() == (images / "known.csv").read_bytes()


def test_a_scheduler_that_dies_is_one_line_and_loses_no_row(model, images, capsys, dask, monkeypatch):
    assert score(model, ".", "--csv", "known.csv") == 0
    usual = ScoreFile.append

    def append(file, result):
        usual(file, result)
        dask.close()

    monkeypatch.setattr(parallel, "PATIENCE", 5)
    with monkeypatch.context() as patched:
        patched.setattr(ScoreFile, "append", append)
        capsys.readouterr()
        assert score(model, ".", "--out", "s.csv", *on(dask)) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(err) == 1 and ("the dask scheduler is gone" in err[0] or "no workers" in err[0])
    assert 2 <= len((images / "s.csv").read_text().splitlines()) < 5
    assert score(model, ".", "--out", "s.csv") == 0
    assert (images / "s.csv").read_bytes() == (images / "known.csv").read_bytes()


def test_a_worker_with_another_model_is_one_line(model, images, dask):
    task = cluster.Task(str(model), "of another", cluster.View(2), device="cpu")
    with pytest.raises(InputError, match="has another model of this name; give them the same"):
        list(cluster.score_on_cluster(task, ["a.png"], dask.scheduler_address))


@pytest.mark.parametrize("arguments", [["--backend", "dask"], ["--scheduler", "tcp://127.0.0.1:1"]])
def test_backend_and_scheduler_go_together(model, images, capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        score(model, "a.png", *arguments)
    assert stop.value.code == 2 and "go together" in capsys.readouterr().err


def test_no_scheduler_is_one_line(model, images, capsys, monkeypatch):
    monkeypatch.setattr(parallel, "PATIENCE", 1)
    assert score(model, "a.png", "--out", "s.csv", "--backend", "dask", "--scheduler", "tcp://127.0.0.1:1") == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "no dask scheduler answers there" in err
