import io

import numpy as np
import pytest
from PIL import Image

from rankiqa.images.thumbnail import thumbnail

SIDE = 240


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (20, 30), (2000, 3)])
def test_a_thumbnail_is_the_image_but_small(photo, size):
    pixels = np.array(Image.fromarray(photo).resize(size[::-1]))
    small = Image.open(io.BytesIO(thumbnail(pixels, SIDE)))
    assert small.format == "JPEG" and small.mode == "RGB" and max(small.size) == min(SIDE, max(size))
    scale = min(1, SIDE / max(size))
    assert small.size == pytest.approx((size[1] * scale, size[0] * scale), abs=1)
    np.testing.assert_allclose(np.asarray(small).mean((0, 1)), pixels.mean((0, 1)), atol=4)
