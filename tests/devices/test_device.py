"""Which device is taken: CUDA before Apple's MPS before the CPU, and a name that is not there is one line."""

import pytest
import torch

from rankiqa.errors import InputError
from rankiqa.precision import at_float64
from rankiqa.scoring.device import pick_device


@pytest.fixture
def machine(monkeypatch):
    """Makes a machine with so many CUDA devices, and with MPS or not."""

    def make(cuda, mps):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return make


@pytest.mark.parametrize(
    "cuda, mps, taken", [(0, False, "cpu"), (0, True, "mps"), (1, False, "cuda"), (2, True, "cuda")]
)
def test_auto_takes_the_fastest_that_is_there(machine, cuda, mps, taken):
    machine(cuda, mps)
    assert pick_device("auto").type == taken


def test_a_name_is_taken_where_it_is_there(machine):
    machine(2, True)
    for name in ("cpu", "mps", "cuda", "cuda:1"):
        assert pick_device(name) == torch.device(name)


@pytest.mark.parametrize("name, count", [("mps", 0), ("cuda", 0), ("cuda:1", 0)])
def test_a_device_that_is_not_there_is_one_line(machine, name, count):
    machine(0, False)
    kind = name.split(":")[0].upper()
    with pytest.raises(InputError, match=f"device {name}: this machine has {count} {kind} devices; use auto or cpu"):
        pick_device(name)


def test_a_second_device_of_one_is_one_line(machine):
    machine(1, True)
    for name in ("cuda:1", "mps:1"):
        with pytest.raises(InputError, match=f"device {name}: this machine has 1 "):
            pick_device(name)


@pytest.mark.parametrize("name", ["tpu", "meta", "xpu", "", "cuda:x"])
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match="device must be auto, cpu, cuda, cuda:N or mps"):
        pick_device(name)


def test_float64_of_apples_is_computed_on_the_cpu():
    found = [at_float64(torch.device(kind)).type for kind in ("mps", "cuda", "cpu")]
    assert found == ["cpu", "cuda", "cpu"]
