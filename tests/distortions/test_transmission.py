import cv2
import numpy as np
import pytest
from PIL import Image

from rankiqa.distortions import DISTORTIONS
from rankiqa.distortions.compression import decode, encode
from rankiqa.distortions.psnr import psnr
from rankiqa.distortions.transmission import (
    _JPEG,
    _JPEG2000,
    hit,
    jpeg2000_errors,
    jpeg2000_places,
    jpeg_errors,
    jpeg_places,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def coded(codec, image):
    """The bytes before any error, and where they may be hit."""
    if codec == "JPEG":
        data = encode(image, "JPEG", **_JPEG)
        return data, jpeg_places(data)
    data = encode(image, "JPEG2000", **_JPEG2000)
    return data, jpeg2000_places(data, image.shape[:2])


def differences(before, after):
    a, b = (np.frombuffer(data, np.uint8) for data in (before, after))
    assert len(a) == len(b)
    return np.flatnonzero(a != b), (a ^ b)[a != b]


@pytest.mark.parametrize("codec", ["JPEG", "JPEG2000"])
@pytest.mark.parametrize("strength", [0.001, 0.01, 0.2])
def test_so_many_bytes_after_the_headers_have_one_wrong_bit_each(codec, strength, photo):
    data, places = coded(codec, photo)
    where, what = differences(data, hit(data, places, strength, rng(1)))
    assert len(where) == max(1, round(strength * len(places)))
    assert np.isin(where, places).all()
    assert set(what.tolist()) <= {1 << bit for bit in range(8)}
    after_header = data.index(b"\xff\xda" if codec == "JPEG" else b"\xff\x93")
    assert where.min() > after_header


@pytest.mark.parametrize("codec", ["JPEG", "JPEG2000"])
def test_no_marker_is_made_or_broken(codec, photo):
    data, places = coded(codec, photo)
    for seed in range(5):
        made = hit(data, places, 0.5, rng(seed))
        marks = [[i for i in range(len(d) - 1) if d[i] == 0xFF] for d in (data, made)]
        assert marks[0] == marks[1]
        assert [data[i + 1] for i in marks[0]] == [made[i + 1] for i in marks[1]]


@pytest.mark.parametrize("codec", ["JPEG", "JPEG2000"])
def test_the_errors_of_a_level_are_among_those_of_the_next(codec, photo):
    data, places = coded(codec, photo)
    found = []
    for strength in (0.001, 0.004, 0.03):
        where, what = differences(data, hit(data, places, strength, rng(2)))
        found.append(dict(zip(where.tolist(), what.tolist(), strict=True)))
    assert found[0].items() <= found[1].items() <= found[2].items()
    other, _ = differences(data, hit(data, places, 0.03, rng(3)))
    assert set(other.tolist()) != set(found[2])


def test_the_jpeg_file_has_restart_markers_and_loses_little_by_itself(photo):
    data, places = coded("JPEG", photo)
    restarts = [i for i in range(len(data) - 1) if data[i] == 0xFF and 0xD0 <= data[i + 1] <= 0xD7]
    blocks = (240 // 16) * (256 // 16)
    assert len(restarts) == blocks // 8 - 1
    assert len(places) > 0.9 * len(data) - 700
    assert psnr(photo, decode(data)) > 34


def test_one_jpeg_error_stays_between_two_restart_markers(photo):
    data, places = coded("JPEG", photo)
    clean = decode(data)
    for seed in range(12):
        made = decode(hit(data, places, 1e-9, rng(seed)))
        rows, columns = np.nonzero((made != clean).any(axis=2))
        if not len(rows):  # a bit that changed nothing, as in the padding before a marker
            continue
        # Chroma is interpolated across the border of the strip: one pixel more on each side.
        assert rows.max() - rows.min() < 16 + 2
        assert columns.max() - columns.min() < 128 + 2


def test_damage_is_decoded_as_another_decoder_does(photo):
    data, places = coded("JPEG", photo)
    for seed in range(3):
        damaged = hit(data, places, 0.002, rng(seed))
        other = cv2.imdecode(np.frombuffer(damaged, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        # Both are libjpeg; OpenCV's build may round the colours otherwise.
        assert np.mean(np.abs(decode(damaged).astype(int) - other) <= 2) > 0.98


def test_packets_begin_where_plt_says_and_their_headers_are_spared(photo):
    data, places = coded("JPEG2000", photo)
    start = data.index(b"\xff\x93") + 2
    assert places.min() >= start
    assert places.max() < len(data) - 2  # the end of the code stream
    share = len(places) / (len(data) - start)
    assert 0.75 < share < 0.99


@pytest.mark.parametrize("name", ["JPEGTE", "JP2KTE"])
@pytest.mark.parametrize("shape", [(240, 256), (8, 8), (1, 1), (3, 70), (65, 129)], ids=str)
def test_no_damage_is_too_much_for_the_decoder(name, shape, photo):
    function = {"JPEGTE": jpeg_errors, "JP2KTE": jpeg2000_errors}[name]
    image = photo[: shape[0], : shape[1]]
    for seed, strength in enumerate((1e-6, 0.01, 0.1, 0.5)):
        assert function(image, strength, rng(seed)).shape == image.shape


@pytest.mark.parametrize("name", ["JPEGTE", "JP2KTE"])
def test_more_errors_are_worse(name, photos, monkeypatch):
    distortion = DISTORTIONS[name]
    for key, image in photos.items():
        data, _ = coded("JPEG" if name == "JPEGTE" else "JPEG2000", image)
        # The errors are all that changes: coding the photo anew for each would take ten times as long.
        monkeypatch.setattr("rankiqa.distortions.transmission.encode", lambda *_, data=data, **__: data)
        for seed in range(2):
            found = [psnr(image, distortion(image, s, rng(seed))) for s in distortion.levels["tid2013-24"]]
            assert (np.diff(found) < 0).all(), (key, seed, found)


def test_the_decoder_leaves_pillows_own_settings_alone(photo):
    from PIL import ImageFile

    before = ImageFile.LOAD_TRUNCATED_IMAGES
    jpeg_errors(photo, 0.1, rng())
    assert before == ImageFile.LOAD_TRUNCATED_IMAGES
    assert Image.MAX_IMAGE_PIXELS
