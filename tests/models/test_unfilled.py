"""Building a network that is about to be loaded: nothing is drawn, and what is loaded is whole."""

import subprocess
import sys
import threading

import pytest
import torch
from torch import nn

from rankiqa.models import build_model, build_nima, load_model, save_model
from rankiqa.models.unfilled import Unfilled

NETWORKS = ("shallow", "squeezenet1_1", "mobilenetv1_100", "swin_tiny_patch4_window7_224")


def tensors(model):
    return dict(model.named_parameters()) | dict(model.named_buffers())


def same(model, again):
    """Also the buffers that no file has: NIMA's scale, the mean and std of the input, the index of Swin's windows."""
    before, after = tensors(model), tensors(again)
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert torch.equal(value, after[name]) and value.stride() == after[name].stride(), name
        assert (value.dtype, value.device, value.requires_grad) == (
            *(after[name].dtype, after[name].device, after[name].requires_grad),
        )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loaded_model_is_the_saved_one(name, tmp_path):
    model = build_model(name)
    save_model(model, tmp_path / "m")
    same(model, load_model(tmp_path / "m")[0])


@pytest.mark.parametrize("name", ["mobilenet", "mobilenet_keras", "shallow"])
def test_a_loaded_nima_is_the_saved_one(name, tmp_path):
    model = build_nima(name)
    save_model(model, tmp_path / "m")
    same(model, load_model(tmp_path / "m")[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_loading_draws_nothing(name, tmp_path):
    save_model(build_model(name), tmp_path / "m")
    state = torch.get_rng_state()
    load_model(tmp_path / "m")
    assert torch.equal(state, torch.get_rng_state())


def test_what_is_random_is_left_and_what_is_not_is_done():
    state = torch.get_rng_state()
    with Unfilled():
        norm, scale = nn.BatchNorm2d(3), torch.arange(4)
        fill = torch.full((4,), 7.0)
        for method in (fill.normal_, fill.uniform_, fill.random_, fill.exponential_):
            assert method() is fill
        for initialise in (nn.init.normal_, nn.init.uniform_):
            assert initialise(fill) is fill
        matrix = torch.full((4, 4), 7.0)
        for initialise in (nn.init.kaiming_uniform_, nn.init.kaiming_normal_, nn.init.xavier_uniform_):
            assert initialise(matrix) is matrix
        made = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator()), torch.rand_like(matrix)
        zeros = nn.init.zeros_(torch.ones(3))
    assert [*made[0].shape] == [2, 3] and made[0].dtype == torch.float64 and made[1].shape == (4, 4)
    assert torch.equal(norm.weight, torch.ones(3)) and torch.equal(norm.running_var, torch.ones(3))
    assert scale.tolist() == [0, 1, 2, 3] and (fill == 7).all() and (zeros == 0).all()
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(fill.normal_(), torch.full((4,), 7.0))  # it is over


def test_it_is_of_its_own_thread():
    found = []
    with Unfilled():
        thread = threading.Thread(target=lambda: found.append(torch.zeros(100).normal_()))
        thread.start()
        thread.join()
    assert found[0].std() > 0.5


def test_no_compiler_is_needed(tmp_path):
    """On the meta device PyTorch draws in Python, and imports its compiler for it: most of the time of loading."""
    save_model(build_nima("mobilenet_keras"), tmp_path / "m")
    code = """\
import sys
from rankiqa.models import load_model
load_model(sys.argv[1])
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "m"], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_small_file_that_claims_a_large_network_takes_no_memory(tmp_path):
    """vgg16 has 512 MiB of weights."""
    save_model(build_model("shallow"), tmp_path / "m")
    config = tmp_path / "m" / "config.json"
    config.write_text(config.read_text().replace('"shallow"', '"vgg16"'))
    code = """\
import resource, sys
from torchvision.models import vgg16
from rankiqa.errors import InputError
from rankiqa.models import load_model
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load_model(sys.argv[1])
except InputError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "m"], capture_output=True, text=True, check=True)
    line, grown = done.stdout.splitlines()
    assert line.endswith("the weights are of another network than vgg16") and float(grown) < 100
