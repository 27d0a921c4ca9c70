import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from rankiqa.distortions.camera import enlarging
from rankiqa.distortions.camera.levels import ALIAS

PILLOW = {
    enlarging.enlarge_nearest: Image.Resampling.NEAREST,
    enlarging.enlarge_bilinear: Image.Resampling.BILINEAR,
}


def flat_reduction(image, size):
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


@pytest.mark.parametrize("function", PILLOW, ids=lambda function: function.__name__)
@pytest.mark.parametrize("factor", [1.35, 2, 2.8, 6.5])
def test_enlarging_is_pillows(function, factor, photo):
    height, width = photo.shape[:2]
    small = flat_reduction(photo, (round(width / factor), round(height / factor)))
    expected = np.asarray(Image.fromarray(small).resize((width, height), PILLOW[function])).astype(int)
    assert np.abs(function(photo, factor, None) - expected).max() <= 1


@pytest.mark.parametrize(("function", "kernel", "reach"), [
    (enlarging.enlarge_bicubic, lambda x: _cubic(np.abs(x)), 2),
    (enlarging.enlarge_lanczos, lambda x: np.sinc(x) * np.sinc(x / 4) * (np.abs(x) < 4), 4),
])  # fmt: skip
def test_enlarging_is_the_sum_of_the_kernels(function, kernel, reach, photo):
    small = flat_reduction(photo, (64, 60))[..., 1].astype(float)
    padded = np.pad(small, reach, mode="edge")
    made = function(photo, 4, None)[..., 1]
    for row, column in ((0, 0), (7, 101), (122, 50), (200, 255), (239, 3)):
        y, x = (row + 0.5) / 4 - 0.5, (column + 0.5) / 4 - 0.5
        down, right = (kernel(np.arange(-reach, side + reach) - at) for at, side in ((y, 60), (x, 64)))
        expected = down / down.sum() @ padded @ (right / right.sum())
        assert made[row, column] == pytest.approx(np.clip(expected, 0, 255), abs=1.1)


def _cubic(x, a=-0.75):
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    return np.where(x < 1, near, np.where(x < 2, a * (x**3 - 5 * x**2 + 8 * x - 4), 0))


@pytest.mark.parametrize("factor", [1.35, 2, 2.8, 3.7, 7])
@pytest.mark.parametrize("function", [
    enlarging.enlarge_nearest, enlarging.enlarge_bilinear, enlarging.enlarge_bicubic, enlarging.enlarge_lanczos,
    enlarging.aliasing,
], ids=lambda function: function.__name__)  # fmt: skip
def test_nothing_moves(function, factor):
    # A blob in the middle stays in the middle; that of every pixel pattern may be half a kept pixel off.
    y, x = np.mgrid[:121, :121] - 60.0
    blob = np.rint(200 * np.exp(-(x**2 + y**2) / (2 * 15**2))).astype(np.uint8)
    made = function(cv2.merge((blob, blob, blob)), factor, None)[..., 0].astype(float)
    assert ndimage.center_of_mass(made) == pytest.approx((60, 60), abs=0.15)


@pytest.mark.parametrize("factor", ALIAS["camera"])
def test_aliasing_keeps_every_kept_pixel_and_interpolates_between(factor, photo):
    height, width = photo.shape[:2]
    rows, columns = (enlarging.kept(side, round(side / factor)) for side in (height, width))
    made = enlarging.aliasing(photo, factor, None)
    assert (made[np.ix_(rows, columns)] == photo[np.ix_(rows, columns)]).all()
    few = photo[np.ix_(rows, columns)].astype(float)
    expected = np.array([np.interp(np.arange(width), columns, row) for row in few[10, :, 1][None]])[0]
    assert np.abs(made[rows[10], :, 1] - expected).max() <= 0.5 + 255 / 32  # OpenCV knows 32 places between two pixels


def test_aliasing_turns_a_fine_grating_into_a_coarse_one():
    grating = np.rint(127 + 100 * np.cos(2 * np.pi * np.arange(300) * 0.48)).astype(np.uint8)
    image = np.repeat(np.tile(grating, (40, 1))[..., None], 3, axis=2)
    spectrum = np.abs(np.fft.rfft(enlarging.aliasing(image, 2, None)[20, :, 0] - 127.0))
    assert np.argmax(spectrum) == pytest.approx(300 * (1 - 2 * 0.48) / 2, abs=1)  # of every second: 0.96, as 0.04
    flat = enlarging.enlarge_bilinear(image, 2, None)[20, 20:-20, 0]
    assert np.ptp(flat.astype(int)) < 0.1 * 200
