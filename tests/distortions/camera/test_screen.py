import numpy as np
import pytest

from rankiqa.distortions.camera import light
from rankiqa.distortions.camera.screen import draw_grid, fringes, screen_moire


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(4))
def test_the_fringes_of_the_colours_are_a_third_apart_and_far_wider_than_a_pixel(seed):
    red, green, blue, rows = fringes(draw_grid(rng(seed)), (300, 400), 0, 300)
    assert np.abs(red + green + blue).max() < 1e-3  # three phases a third of a turn apart
    for field in (red, green, blue, rows):
        assert field.dtype == np.float32
        assert np.abs(field).max() <= 1 + 1e-5
        assert abs(field.mean()) < 0.15
        assert np.abs(np.diff(field, axis=0)).max() < 1
        assert np.abs(np.diff(field, axis=1)).max() < 1
        assert (field**2).mean() == pytest.approx(0.5, abs=0.1)


def test_the_contrast_of_a_grey_photo_is_the_strength():
    image = np.full((300, 300, 3), 128, np.uint8)
    made = light.to_light(screen_moire(image, 0.5, rng(1)))
    grey = light.srgb_to_linear(128 / 255)
    assert made.max() / grey == pytest.approx(1.5, abs=0.03)
    assert made.min() / grey == pytest.approx(0.5, abs=0.03)
    assert made.mean() / grey == pytest.approx(1, abs=0.03)


def test_all_strengths_share_their_fringes(photo):
    small, large = (light.to_light(screen_moire(photo, strength, rng(2))) for strength in (0.1, 0.3))
    blurred = light.to_light(screen_moire(photo, 1e-6, rng(2)))
    middle = (blurred > 0.1) & (blurred < 0.6)
    assert np.abs((large - blurred) - 3 * (small - blurred))[middle].max() < 0.02
