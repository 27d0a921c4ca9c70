"""The device that there is not obeys the rules of PyTorch's own fake tensors, which know those of a real one."""

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from tests.devices.pretend import Pretend, on_device

# Of one tensor on the device and one that is not, (2, 3, 4, 4) each.
VERSION = tuple(int(part) for part in torch.__version__.split(".")[:2])
MIXED = {
    "add": lambda here, away: here + away,
    "subtract from the CPU": lambda here, away: away - here,
    "in place": lambda here, away: away.clone().add_(here),
    "number of the CPU": lambda here, away: here * away.sum(),
    "number of the device": lambda here, away: away * here.sum(),
    "number in place": lambda here, away: away.sum().add_(here.sum()),
    "cat": lambda here, away: torch.cat([here, away]),
    "stack": lambda here, away: torch.stack([here.sum(), away.sum()]),
    "where": lambda here, away: torch.where(here > 0, away, here),
    "convolution": lambda here, away: F.conv2d(here, away),
    "matrix product": lambda here, away: here @ away,
    "matrix product with a number": lambda here, away: here.flatten() @ away.flatten(),
    "index of the CPU": lambda here, away: here[torch.zeros(1, dtype=torch.long)],
    "index of the device": lambda here, away: away[torch.zeros(1, dtype=torch.long, device=here.device)],
    "written to a slice": lambda here, away: here.clone().__setitem__(0, away[0]),
    "written to places": lambda here, away: here.clone().__setitem__([0], away[:1]),
    "copied": lambda here, away: here.clone().copy_(away),
    "moved": lambda here, away: here + away.to(here.device),
    "moved to another": lambda here, away: away + here.to(away),
    "moved away": lambda here, away: here.cpu() + away,
    "made like it": lambda here, away: here + torch.zeros_like(here) + here.new_zeros(1),
    "made elsewhere": lambda here, away: here + torch.zeros(2, 3, 4, 4),
    "made there": lambda here, away: here + torch.ones(4, device=here.device),
    "equal": lambda here, away: torch.maximum(here, away),
    "views": lambda here, away: here.view(-1)[:4].unflatten(0, (2, 2)).permute(1, 0) + here.flatten()[0],
    "lists": lambda here, away: torch._foreach_add([here, here], [away, here]),
    "lists and a number": lambda here, away: torch._foreach_mul([here, here], away.sum()),
    "loss": lambda here, away: F.binary_cross_entropy_with_logits(here, away),
    "pool": lambda here, away: F.avg_pool2d(here, 2) * here[:, :, :2, :2],
}


def outcome(act, here, away):
    """The kinds of device that come out, or that it is an error."""
    try:
        found = act(here, away)
    except (RuntimeError, TypeError):
        return "error"
    found = found if isinstance(found, (list, tuple)) else [found]
    return [one.device.type for one in found if one is not None]


@pytest.mark.skipif(VERSION <= (2, 9), reason="its FakeTensor differs from that of later ones")
@pytest.mark.parametrize("name", MIXED)
def test_it_allows_what_fake_tensors_allow(name):
    with FakeTensorMode():
        wanted = outcome(MIXED[name], torch.ones(2, 3, 4, 4, device="cuda"), torch.ones(2, 3, 4, 4))
    if name in ("stack", "index of the device"):
        assert wanted != "error"  # there fake tensors are kinder than a real device
        wanted = "error"
    with Pretend():
        found = outcome(MIXED[name], torch.ones(2, 3, 4, 4, device="cuda"), torch.ones(2, 3, 4, 4))
    assert found == wanted


def test_nothing_is_read_by_numpy():
    with Pretend():
        there = torch.ones(2, device="cuda")
        for act in (there.numpy, lambda: np.asarray(there), lambda: np.sum(np.array(there))):
            with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
                act()
        assert there.cpu().numpy().tolist() == there.tolist() == [1, 1] and there[0].item() == 1


def test_a_module_moves_whole_and_learns_where_it_is():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 8, 8)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(144, 1)
    )
    optimizer = torch.optim.Adam(net.parameters(), 0.1)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with Pretend() as mode:
        net.to(mode.device)
        assert all(value.device == mode.device for value in net.state_dict().values())
        with pytest.raises(RuntimeError, match="same device"):
            net(images)
        net(images.to("cuda")).sum().backward()
        assert all(parameter.grad.device == mode.device for parameter in net.parameters())
        optimizer.step()
        net.cpu()
        assert not any(on_device(value) for value in net.state_dict().values())
    assert any(not torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_apples_has_no_float64():
    with Pretend("mps"):
        there = torch.ones(2, device="mps")
        for act in (
            there.double,
            lambda: torch.zeros(1, dtype=torch.float64, device="mps"),
            lambda: there.to(torch.float64),
        ):
            with pytest.raises(TypeError, match="float64"):
                act()
        assert there.cpu().double().dtype == torch.float64
