"""Call a function for many jobs, in threads, in processes of this machine or on a cluster.

On this machine joblib does it. The cluster is dask's, through its own client: joblib's dask backend gives no way to
tell that every worker is gone (it waits for ever), nor which of its errors are the cluster's and which the function's.
"""

from __future__ import annotations

import itertools
import logging
import re
import socket
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from rankiqa.errors import InputError
from rankiqa.extras import extra
from rankiqa.version import __version__

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE = 10  # seconds to wait for the scheduler, and for a worker when there is none
AHEAD = 2  # jobs sent to each thread of the cluster: one to work on, one to go on with


def run(
    function: Callable[..., Any], jobs: Iterable[tuple], workers: int = 1, scheduler: str | None = None
) -> Iterator[Any]:
    """Yield `function(*job)` of each job as they come, in any order; `jobs` is taken from as they are done.

    Args:
        function: importable by its name on the workers. On a cluster it may run twice for a job whose worker died.
        jobs: the positional arguments of each call.
        workers: processes of this machine; 1 works in this one.
        scheduler: address of a running dask scheduler, whose workers do it in place of `workers`:
            "tcp://10.0.0.1:8786". What a dead worker had not finished is done by the others. Files are shared with the
            workers by their paths alone.

    Raises:
        InputError: the scheduler cannot be reached or dies, it has no workers, they have another rankiqa, all of them
            died, or one and the same job kills each worker; a process of this machine died. What `function` raises
            comes out as it is.
        MissingExtra: there is a `scheduler`, and dask is not installed.
    """
    return _here(function, jobs, workers) if scheduler is None else _on_cluster(function, jobs, scheduler)


def _here(function: Callable[..., Any], jobs: Iterable[tuple], workers: int) -> Iterator[Any]:
    with extra("train"):
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import BrokenProcessPool

    # What it says where an error ends the work early; the error says enough.
    warnings.filterwarnings("ignore", ".* tasks have been successfully executed", UserWarning, "joblib")
    pool = Parallel(n_jobs=workers, return_as="generator_unordered")
    try:
        yield from pool(delayed(function)(*job) for job in jobs)
    except BrokenProcessPool as error:
        raise InputError(
            "a worker process was killed, maybe for want of memory", cure="give fewer", options=("workers",)
        ) from error


def _on_cluster(function: Callable[..., Any], jobs: Iterable[tuple], address: str) -> Iterator[Any]:
    with extra("dask"):
        from distributed import wait

    jobs = iter(jobs)
    with _quiet(), _connect(address) as client:
        pending: set[Any] = set()
        while True:
            wanted = AHEAD * sum(_threads(client, address).values()) - len(pending)
            for job in itertools.islice(jobs, max(wanted, 0)):
                pending.add(client.submit(_call, __version__, function, job, pure=False))
            if not pending:
                return
            try:
                done = wait(pending, timeout=PATIENCE, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                continue  # a long job, as long as there are workers
            except CancelledError as error:  # while it waited, before any job was seen to have ended so
                raise _gone(address) from error
            pending -= done
            while done:
                yield _result(done.pop(), address)


@contextmanager
def _connect(address: str) -> Iterator[Any]:
    from distributed import Client

    # A malformed address makes the client wait in vain, and complain at the end of the process.
    if not re.fullmatch(r"(\w+://)?[^\s/]+:\d+", address):
        raise InputError(
            f"{address}: is no address of a scheduler, such as tcp://10.0.0.1:8786",
            cure="correct it",
            options=("scheduler",),
        )
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{address}: no dask scheduler answers there",
            cure="start one with `dask scheduler`, or correct the address",
            options=("scheduler",),
        ) from error
    with client, client.as_current():  # `wait` looks for the current one
        _threads(client, address)
        for worker, answer in client.run(_call, __version__, _nothing, (), on_error="return").items():
            if isinstance(answer, InputError):
                raise answer
            if isinstance(answer, Exception):
                why = f"the worker {worker} cannot import rankiqa {__version__} ({answer})"
                raise InputError(why, cure="install it there")
        yield client


def _threads(client: Any, address: str) -> dict[str, int]:
    """Threads of each worker; waits a while for the first, as a dead one may be started anew."""
    try:
        if not (threads := client.nthreads()):
            client.wait_for_workers(1, timeout=PATIENCE)
            threads = client.nthreads()
    except TimeoutError as error:
        cure = f"start some with `dask worker {address}`"
        raise InputError(f"{address}: the dask scheduler has no workers", cure=cure) from error
    except OSError as error:
        raise InputError(f"{address}: the dask scheduler is gone ({error})", cure="start it again") from error
    return threads


def _result(future: Any, address: str) -> Any:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise InputError(
            f"{address}: one job killed {error.allowed_failures + 1} workers, the last on "
            f"{error.last_worker.address}, maybe for want of memory",
            cure="see the workers' logs",
        ) from error
    except CancelledError as error:
        raise _gone(address) from error


def _gone(address: str) -> InputError:
    return InputError(f"{address}: the dask scheduler is gone", cure="start it again")


def _call(version: str, function: Callable[..., Any], job: tuple) -> Any:
    """On the worker. Each job is checked, as workers may come later."""
    if version != __version__:
        host = socket.gethostname()
        raise InputError(f"a worker on {host} has rankiqa {__version__}, not {version}", cure="install the same")
    return function(*job)


def _nothing() -> None:
    pass


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the client's log on stderr: all that matters is raised."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, waiting: int = 0
) -> Iterator[Result]:
    """Map `function` over `items` in threads, in order; 0 workers: no threads.

    At most `workers` + 1 results wait, or `waiting` where that is more.
    """
    if not workers:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers)
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(function, item))
            if len(begun) > max(workers, waiting - 1):
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:  # also when whoever asked stops early
        pool.shutdown(wait=True, cancel_futures=True)
