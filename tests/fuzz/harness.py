"""What every reader promises, whatever it is given: an answer or an `InputError`, silence, little memory, an end."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings

from rankiqa.errors import InputError

SEED = int(os.environ.get("RANKIQA_FUZZ_SEED", "0"))
TIMES = float(os.environ.get("RANKIQA_FUZZ_TIMES", "1"))  # how many times as many inputs
SECONDS = 3  # of the processor, for one input
MEGABYTES = 100  # of memory for one input, which has some kB
# What Python shows of its own accord. Unclosed files are no matter of a reader's promise.
HIDDEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def tries(count: int) -> Callable[[Callable], Callable]:
    """A hypothesis test of `count` inputs: the same ones each time, or, with RANKIQA_FUZZ_SEED, others."""

    def decorate(test: Callable) -> Callable:
        test = settings(
            max_examples=max(1, round(count * TIMES)),
            derandomize=not SEED,
            database=None,
            deadline=None,  # `Trial` has its own
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )(test)
        return seed(SEED)(test) if SEED else test

    return decorate


def peak(anew: bool = False) -> float:
    """The most memory that this process has had, MB; `anew` forgets what it had before."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1000


class Trial:
    """Calls readers, counts the calls, and fails where one breaks a promise."""

    def __init__(self, capfd) -> None:
        self.capfd, self.count = capfd, 0

    def __call__(self, read: Callable[..., Any], *args: Any, loud: bool = False, **named: Any) -> Any:
        """What `read` gives, or its `InputError`. `loud`: a C library may write to stderr."""
        self.count += 1
        memory = peak(anew=True)
        with warnings.catch_warnings(record=True) as caught, _in_time():
            warnings.resetwarnings()
            warnings.simplefilter("always")
            start = time.process_time()
            try:
                answer = read(*args, **named)
            except InputError as error:
                answer = error
                assert str(error) and str(error).isprintable() and len(str(error)) < 2100, "not one line"
            seconds = time.process_time() - start
        assert not [str(w.message) for w in caught if not issubclass(w.category, HIDDEN)]
        out, err = self.capfd.readouterr()
        assert out == "" and (loud or err == ""), out + err
        assert seconds < SECONDS, f"took {seconds:.1f} s"
        assert peak() - memory < MEGABYTES, f"took {peak() - memory:.0f} MB"
        return answer


@contextmanager
def _in_time():
    """An error for a reader that does not end, and, where that is of no use, the end of the process."""

    def ring(*_):
        raise TimeoutError("does not end")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, 4 * SECONDS)
    faulthandler.dump_traceback_later(100 * SECONDS, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
