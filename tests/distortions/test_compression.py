import io

import cv2
import numpy as np
import pytest
from PIL import Image

from rankiqa.distortions.compression import (
    encode_jpeg,
    encode_jpeg2000,
    encode_noisy,
    jpeg,
    jpeg2000,
    noise_step,
    noisy_compression,
)
from rankiqa.distortions.levels import JPEG2000_RATIO, JPEG_QUALITY, NOISY_COMPRESSION
from rankiqa.distortions.noise import gaussian_noise
from rankiqa.distortions.psnr import psnr


@pytest.mark.parametrize("quality", JPEG_QUALITY["live"])
def test_jpeg_is_the_codecs_own_round_trip(quality, photo):
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=quality, subsampling=2)
    assert encode_jpeg(photo, quality) == buffer.getvalue()
    assert (jpeg(photo, quality, None) == np.array(Image.open(buffer))).all()


def test_jpeg_halves_the_chroma_in_both_directions(photo):
    # Sampling factors of the frame header: 2×2 for Y, 1×1 for Cb and Cr.
    data = encode_jpeg(photo, 43)
    frame = data.index(b"\xff\xc0")
    assert [data[frame + 11 + 3 * i] for i in range(3)] == [0x22, 0x11, 0x11]


def test_jpeg_quality_0_is_quality_1_and_not_the_default(photo):
    assert encode_jpeg(photo, 0) == encode_jpeg(photo, 1)
    assert len(encode_jpeg(photo, 0)) < len(encode_jpeg(photo, 4))


@pytest.mark.parametrize("quality", JPEG_QUALITY["live"][:4])
def test_jpeg_loses_what_opencvs_encoder_loses(quality, photo):
    _, data = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    other = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
    ours, theirs = (np.mean((made.astype(float) - photo) ** 2) for made in (jpeg(photo, quality, None), other))
    assert 10 * abs(np.log10(ours / theirs)) < 0.1  # dB


@pytest.mark.parametrize("ratio", JPEG2000_RATIO["live"])
def test_jpeg2000_hits_the_ratio_on_real_photos(ratio, photos):
    for name in ("astronaut.png", "motorcycle_left.png"):
        image = photos[name]
        assert image.size / len(encode_jpeg2000(image, ratio)) == pytest.approx(ratio, rel=0.03)


def test_jpeg2000_has_the_irreversible_wavelet_and_the_colour_transform(photo):
    # COD marker segment: byte 8 is the multiple component transform, byte 13 the wavelet (0 = 9/7).
    data = encode_jpeg2000(photo, 52)
    cod = data.index(b"\xff\x52")
    assert data[cod + 8] == 1
    assert data[cod + 13] == 0


@pytest.mark.parametrize("ratio", JPEG2000_RATIO["live"][:3])
def test_jpeg2000_decodes_alike_in_opencv(ratio, photo):
    data = np.frombuffer(encode_jpeg2000(photo, ratio), np.uint8)
    other = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    assert np.abs(jpeg2000(photo, ratio, None) - other).max() <= 1


@pytest.mark.parametrize("variance", NOISY_COMPRESSION["tid2013-24"])
def test_a_noisy_image_is_coded_with_one_step_that_follows_the_noise(variance, photo):
    sigma = 255 * variance**0.5
    assert noise_step(variance) == round(4.5 * sigma)
    noisy = gaussian_noise(photo, variance, np.random.default_rng(3))
    opened = Image.open(io.BytesIO(encode_noisy(noisy, variance)))
    assert opened.quantization == {0: [noise_step(variance)] * 64, 1: [noise_step(variance)] * 64}
    made = noisy_compression(photo, variance, np.random.default_rng(3))
    assert (made == np.array(opened)).all()
    if variance > 0.001:  # the coder takes more noise away than detail: nearer to the photo than what it was given
        assert psnr(photo, made) > psnr(photo, noisy)


def test_the_step_stays_in_what_baseline_jpeg_can_hold():
    assert noise_step(1e-9) == 1
    assert noise_step(1) == 255
