import numpy as np
import pytest

from rankiqa.errors import InputError
from rankiqa.images.crops import crop_positions, squeeze
from tests.scoring.test_patches import picture


@pytest.mark.parametrize("size", [(384, 512), (512, 384), (225, 900), (224, 224), (224, 500), (226, 226), (1080, 1920)])
@pytest.mark.parametrize("patches", [4, 5, 9, 30, 100])
def test_the_grid_is_even_unique_and_holds_the_corners(size, patches):
    free = np.array(size) - 224
    places = crop_positions(*size, 224, patches, "grid", None)
    assert len(places) <= patches
    assert len({tuple(place) for place in places.tolist()}) == len(places)
    for top in (0, free[0]):
        for left in (0, free[1]):
            assert [top, left] in places.tolist()
    for axis in (0, 1):
        steps = np.diff(np.unique(places[:, axis]))
        assert len(steps) == 0 or steps.max() - steps.min() <= 1  # even, to the pixel


def test_no_other_grid_lies_closer():
    def widest(size, rows, columns):
        return max(f / (n - 1) for f, n in zip(np.array(size) - 224, (rows, columns), strict=True))

    for size in [(384, 512), (500, 500), (300, 1200)]:
        for patches in (4, 12, 30):
            places = crop_positions(*size, 224, patches, "grid", None)
            shape = [len(np.unique(places[:, axis])) for axis in (0, 1)]
            others = [(r, c) for r in range(2, patches) for c in range(2, patches) if r * c <= patches]
            assert widest(size, *shape) == min(widest(size, *other) for other in others)


def test_a_grid_of_fewer_than_four():
    assert crop_positions(424, 324, 224, 1, "grid", None).tolist() == [[100, 50]]
    assert crop_positions(424, 324, 224, 2, "grid", None).tolist() == [[0, 50], [200, 50]]
    assert crop_positions(224, 324, 224, 3, "grid", None).tolist() == [[0, 0], [0, 50], [0, 100]]


def test_random_places_reach_every_corner_evenly():
    places = crop_positions(34, 35, 32, 12000, "random", np.random.default_rng(0))
    found, counts = np.unique(places, axis=0, return_counts=True)
    assert found.tolist() == [[top, left] for top in range(3) for left in range(4)]
    assert np.abs(counts - 1000).max() < 150  # five standard deviations


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 31}, r"the image \(50×31\) is smaller than the 32×32 crop; .*small=reflect, small=resize"),
        ({"patches": 0}, "patches must be at least 1, not 0"),
        ({"mode": "dense"}, "crops are random or grid, not 'dense'"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {"height": 40, "width": 50, "crop": 32, "patches": 4, "mode": "grid", "rng": None} | change
    with pytest.raises(InputError, match=message):
        crop_positions(**arguments)


def test_resizing_knows_height_from_width():
    image = picture(80, 120)
    assert squeeze(image, 30, 50).shape == (30, 50, 3)
    assert squeeze(image, 30).shape == (30, 30, 3)
    flat = np.full((9, 7, 3), 77, np.uint8)
    assert (squeeze(flat, 16) == 77).all()
