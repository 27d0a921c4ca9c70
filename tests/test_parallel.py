"""Real workers: processes of this machine, and a dask scheduler with two workers, one of which is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankiqa import parallel
from rankiqa.cli.make_ranks import main
from rankiqa.errors import InputError

ROOT = Path(__file__).parents[1]


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Cluster:
    """A scheduler and workers of one thread each, as processes of their own."""

    def __init__(self, folder):
        self.folder, self.processes, self.workers = folder, [], []
        file = folder / "scheduler.json"
        self.start("scheduler", "--port", "0", "--host", "127.0.0.1", "--scheduler-file", file, "--no-dashboard")
        self.wait(file.exists)
        import json

        self.address = json.loads(file.read_text())["address"]

    def start(self, kind, *options):
        command = [sys.executable, "-m", "dask", kind, *map(str, options)]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        log = open(self.folder / f"{kind}{len(self.processes)}.log", "w")  # noqa: SIM115
        self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environment))
        return self.processes[-1]

    def add_worker(self):
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0")
        self.workers.append(self.start("worker", self.address, *options))

    def wait_for_workers(self, count):
        from distributed import Client

        with Client(self.address, timeout=20, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    @staticmethod
    def wait(ready):
        deadline = time.monotonic() + 60
        while not ready():
            assert time.monotonic() < deadline, "the cluster did not start"
            time.sleep(0.05)

    def stop(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "cluster").mkdir()
    found = Cluster(tmp_path / "cluster")
    try:
        for _ in range(2):
            found.add_worker()
        found.wait_for_workers(2)
        yield found
    finally:
        found.stop()


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_of_this_machine_give_every_result_once(workers):
    jobs = [(base, 3) for base in range(30)]
    assert sorted(parallel.run(pow, jobs, workers)) == [base**3 for base in range(30)]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_function_raises_comes_out_as_it_is(workers):
    with pytest.raises(ZeroDivisionError):
        list(parallel.run(divmod, [(1, 0)], workers))


def test_a_process_that_is_killed_is_told_in_a_line():
    with pytest.raises(InputError, match="a worker process was killed"):
        list(parallel.run(os._exit, [(1,), (1,)], 2))


def test_a_cluster_makes_the_same_bytes_even_if_a_worker_is_killed(cluster, tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for i in range(14):
        Image.fromarray(np.roll(pixels, i, axis=0)).resize((320, 240), 2).save(photos / f"{i:02}.png")
    flags = ["--pristine", str(photos), "--distortions", "live"]
    assert main([*flags, "--out", str(tmp_path / "here"), "--workers", "1"]) == 0

    out = tmp_path / "there"
    command = [sys.executable, ROOT / "data_gen" / "make_ranks.py", *flags, "--out", out]
    command += ["--backend", "dask", "--scheduler", cluster.address]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*map(str, command)], env=environment, stderr=subprocess.PIPE, text=True)
    journal = out / "manifest.csv.part"
    Cluster.wait(lambda: (journal.exists() and journal.stat().st_size) or process.poll() is not None)
    assert process.poll() is None, "the set was finished before a worker could be killed"
    cluster.workers[0].send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert contents(out) == contents(tmp_path / "here")

    # With the other worker gone too there is nobody left: told after a while, and what is there stays.
    cluster.workers[1].send_signal(signal.SIGKILL)
    cluster.workers[1].wait()
    before = contents(out)
    (photos / "99.png").write_bytes((photos / "00.png").read_bytes())
    monkey = pytest.MonkeyPatch()
    monkey.setattr(parallel, "PATIENCE", 3)
    capsys.readouterr()
    assert main([*flags, "--out", str(out), "--backend", "dask", "--scheduler", cluster.address]) == 2
    monkey.undo()
    assert "the dask scheduler has no workers" in capsys.readouterr().err
    assert contents(out) == before


def test_a_scheduler_that_is_killed_meanwhile_is_told_in_a_line(cluster):
    results = parallel.run(time.sleep, [(0,), *[(60,)] * 20], scheduler=cluster.address)
    next(results)  # the others keep the workers busy
    scheduler, *_ = cluster.processes
    threading.Timer(1, scheduler.kill).start()
    with pytest.raises(InputError, match=f"{cluster.address}: the dask scheduler is gone"):
        next(results)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://127.0.0.1:1", "no dask scheduler answers there"),
        ("rubbish", "is no address of a scheduler, such as tcp://10.0.0.1:8786"),
        ("tcp://host", "is no address of a scheduler"),
    ],
)
def test_a_scheduler_that_cannot_be_reached_is_told_in_one_line(address, words, tmp_path, monkeypatch, capfd):
    pytest.importorskip("distributed")
    monkeypatch.setattr(parallel, "PATIENCE", 1)
    assert main(["--out", str(tmp_path / "ranks"), "--backend", "dask", "--scheduler", address]) == 2
    lines = [line for line in capfd.readouterr().err.replace("\r", "\n").splitlines() if "making:" not in line]
    lines = [line for line in lines if line.strip()]
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"error: {address}")
    assert words in lines[0]
    assert not (tmp_path / "ranks" / "set.json").exists()
