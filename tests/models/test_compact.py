"""The compact network: size, and that nothing is padded."""

import pytest
import torch

from rankiqa.models import build_model, build_nima


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_model("compact").eval()


def test_fits_in_four_megabytes(model):
    assert sum(p.numel() for p in model.parameters()) * 4 < 3e6


@pytest.mark.parametrize("top, left", [(0, 0), (16, 48), (64, 16)])
def test_features_of_a_crop_are_those_of_its_place_in_the_image(model, top, left):
    image = torch.rand(1, 3, 320, 301, generator=torch.Generator().manual_seed(1))
    whole = model.backbone.features(image)
    crop = model.backbone.features(image[:, :, top : top + 224, left : left + 224])
    rows, columns = slice(top // 16, top // 16 + 5), slice(left // 16, left // 16 + 5)
    torch.testing.assert_close(crop, whole[:, :, rows, columns], rtol=1e-4, atol=1e-5)


def test_smallest_input(model):
    assert model(torch.rand(1, 3, 152, 152)).shape == (1,)
    with pytest.raises(RuntimeError, match="greater than actual input size"):
        model(torch.rand(1, 3, 151, 152))


def test_every_parameter_learns():
    model = build_model("compact")
    model(torch.rand(2, 3, 224, 224)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_takes_a_nima_head():
    assert build_nima("compact").eval()(torch.rand(2, 3, 224, 224), distribution=True).shape == (2, 10)
