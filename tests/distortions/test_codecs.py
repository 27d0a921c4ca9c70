"""Today's codecs, against other decoders, the bytes they write, and themselves elsewhere."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from rankiqa.distortions import DISTORTIONS, codec_types, codecs
from rankiqa.distortions.compression import LONGEST
from rankiqa.distortions.psnr import psnr
from rankiqa.errors import InputError

TYPES = {d.name: d for d in codec_types.TYPES if d.available}
OPTIONAL = {"jxl": "pillow_jxl", "heic": "pillow_heif", "video": "av"}


def needs(extra):
    return pytest.importorskip(OPTIONAL[extra])


def distort(name, image, level, seed=0):
    distortion = TYPES[name]
    return distortion(image, distortion.levels["codecs"][level - 1], np.random.default_rng(seed))


@pytest.mark.parametrize("name", TYPES)
def test_chroma_is_halved_in_both_directions_but_where_it_is_whole(name):
    # Lines of two colours of one luma, one pixel wide: at half resolution they are one colour.
    lines = np.zeros((64, 64, 3), np.uint8)
    lines[:] = cv2.cvtColor(np.uint8([[[128, 108, 148]]]), cv2.COLOR_YCrCb2RGB)
    lines[::2] = cv2.cvtColor(np.uint8([[[128, 148, 108]]]), cv2.COLOR_YCrCb2RGB)
    for image in (lines, np.swapaxes(lines, 0, 1)):
        made = cv2.cvtColor(distort(name, image, 1), cv2.COLOR_RGB2YCrCb)[8:-8, 8:-8, 1:]
        contrast = max(np.abs(np.diff(made.astype(int), axis=axis)).mean() for axis in (0, 1))
        assert (contrast > 20) if name in ("JPEG444", "JXL") else (contrast < 4)


@pytest.mark.parametrize("encode", [codecs.encode_webp, codecs.encode_avif])
def test_another_decoder_reads_the_same(encode, photo):
    data = encode(photo, 40)
    ours = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    theirs = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(ours.astype(int) - theirs).mean() < 1


@pytest.mark.parametrize("name", ["h264", "hevc"])
def test_another_player_shows_the_same_still(name, photo, tmp_path):
    needs("video")
    image = photo[:239, :255]
    crf = 27.0
    (tmp_path / f"x.{name}").write_bytes(getattr(codecs, f"encode_{name}")(image, crf))
    video = cv2.VideoCapture(str(tmp_path / f"x.{name}"), cv2.CAP_FFMPEG)
    there, frame = video.read()
    assert there and not video.read()[0]
    ours = getattr(codecs, name)(image, crf, None)
    theirs = frame[:239, :255, ::-1]
    # Players interpolate chroma in their own ways; luma is the same but for rounding.
    grey = (cv2.cvtColor(np.ascontiguousarray(of), cv2.COLOR_RGB2GRAY).astype(int) for of in (ours, theirs))
    assert np.abs(np.subtract(*grey)).mean() < 1
    assert psnr(ours, np.ascontiguousarray(theirs)) > psnr(image, ours) + 3


def test_a_heic_file_says_that_it_is_hevc_with_halved_chroma(photo):
    needs("heic")
    data = codecs.encode_heic(photo, 44)
    assert data[4:12] == b"ftypheic"
    assert data[data.index(b"hvcC") + 4 + 16] & 3 == 1  # chromaFormat


def test_jpeg_twice_has_two_grids_that_all_levels_of_a_photo_share(photo):
    def jpeg(image, quality):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=2)
        return np.array(Image.open(buffer))

    for seed in range(4):
        top, left = np.random.default_rng(seed).integers(1, 8, 2)
        assert min(top, left) >= 1 and max(top, left) <= 7
        for quality in (62, 12):
            moved = cv2.copyMakeBorder(jpeg(photo, quality), top, 0, left, 0, cv2.BORDER_REPLICATE)
            expected = jpeg(moved, quality)[top:, left:]
            assert (codecs.jpeg_twice(photo, quality, np.random.default_rng(seed)) == expected).all()
    # The jumps between columns are largest where the second grid's blocks meet.
    made = codecs.jpeg_twice(photo, 12, np.random.default_rng(seed)).astype(float)
    jumps = np.abs(np.diff(made, axis=1)).mean(axis=(0, 2))
    by_phase = [jumps[phase::8].mean() for phase in range(8)]
    assert np.argmax(by_phase) == (-left - 1) % 8


@pytest.mark.parametrize("name", sorted(LONGEST.keys() & {"JPEG", "WEBP", "AVIF", "H264"}))
def test_a_side_that_a_codec_cannot_hold_is_refused_by_name_and_size(name):
    distortion = TYPES.get("JPEG420" if name == "JPEG" else name)
    if distortion is None:
        needs("video")
    most, strength = LONGEST[name], distortion.levels["codecs"][4]
    for shape in ((1, most + 1, 3), (most + 1, 1, 3)):
        words = f"{name} holds at most {most} pixels a side, not {shape[1]}×{shape[0]}"
        with pytest.raises(InputError, match=words):
            distortion(np.zeros(shape, np.uint8), strength, np.random.default_rng(0))
    assert distortion(np.zeros((1, most, 3), np.uint8), strength, np.random.default_rng(0)).shape == (1, most, 3)


@pytest.mark.parametrize("name", ["HEIC", "HEVC"])
def test_hevc_holds_what_no_level_of_it_does(name):
    if name not in TYPES:
        pytest.skip("needs its extra")
    assert distort(name, np.full((3, 9001, 3), 99, np.uint8), 5).shape == (3, 9001, 3)


# Prints the digest of each type's image, and which optional packages were there before and after.
ELSEWHERE = """\
import hashlib, json, sys
import cv2
import numpy as np
from rankiqa.distortions import DISTORTIONS
optional = {"pillow_jxl", "pillow_heif", "av"}
before = sorted(optional & sys.modules.keys())
image = np.load(sys.argv[1])
made = {}
for name in sys.argv[2:]:
    d = DISTORTIONS[name]
    made[name] = d(image, d.levels["codecs"][2], np.random.default_rng(0))
print(json.dumps([before, {name: hashlib.sha256(image.tobytes()).hexdigest() for name, image in made.items()}]))
"""


def test_the_same_comes_out_in_many_threads_and_in_a_process_with_many_and_packages_wait_until_used(photo, tmp_path):
    image = photo[60:188, 60:188]

    def digest(name):
        return hashlib.sha256(distort(name, image, 3).tobytes()).hexdigest()

    np.save(tmp_path / "photo.npy", image)
    alone = {name: digest(name) for name in TYPES}
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(digest, [*TYPES] * 2)) == [*alone.values()] * 2
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "photo.npy"), *TYPES]
    environment = os.environ | {"OMP_NUM_THREADS": "4"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # the encoders keep quiet
    assert json.loads(done.stdout) == [[], alone]


RECIPES = {
    **dict.fromkeys(("JPEG420", "JPEG444", "JPEG2X"), r"libjpeg(-turbo)? \d[\d.]*"),
    "WEBP": r"libwebp \d[\d.]*",
    "AVIF": r"libavif \d[\d.]*, aom \d[\w.-]*",
    "JXL": r"(libjxl|pillow-jxl-plugin) \d[\d.]*",
    "HEIC": r"libheif \d[\d.]*, x265 \d[\w.+-]*",
    "H264": r"FFmpeg libavcodec \d[\d.]*, x264 core \d+( r\d+)?",
    "HEVC": r"FFmpeg libavcodec \d[\d.]*, x265 \d[\w.+-]*",
}


def test_the_recipe_tells_the_encoder_and_its_version_and_never_fails(monkeypatch):

    assert RECIPES.keys() == {d.name for d in codec_types.TYPES}
    for name, distortion in TYPES.items():
        assert re.fullmatch(RECIPES[name], distortion.recipe(1, 0)), distortion.recipe(1, 0)
    for broken in (lambda: 1 / 0, lambda: {}["x265"], lambda: __import__("no_such_module")):
        assert codec_types.told(broken) == codec_types.UNKNOWN


@pytest.mark.parametrize("name", TYPES)
def test_no_strength_between_the_levels_is_better_than_a_milder_one(name, photo):
    # A codec may change its ways at some quality: JPEG XL halves the image first, below 19.
    image = photo[60:188, 60:188]
    distortion = DISTORTIONS[name]
    found = [psnr(image, distortion(image, distortion.at(step / 8), np.random.default_rng(0))) for step in range(9)]
    assert (np.diff(found) < 0).all()


@pytest.mark.parametrize(("name", "function"), [
    ("JPEG420", "PIL.Image.Image.save"), ("AVIF", "PIL.Image.Image.save"), ("HEIC", "pillow_heif.encode"),
    ("H264", "av.VideoFrame.from_ndarray"),
])  # fmt: skip
@pytest.mark.parametrize("error", [OSError("encoder\nerror -2"), KeyError("AVIF"), RuntimeError()])
def test_an_encoder_that_fails_is_named_in_one_line(name, function, error, monkeypatch):
    if name not in TYPES:
        pytest.skip("needs its extra")

    def fail(*args, **options):
        raise error

    monkeypatch.setattr(function, fail)
    words = {OSError: "encoder error -2", KeyError: "'AVIF'", RuntimeError: "RuntimeError"}[type(error)]
    codec = "JPEG" if name == "JPEG420" else name
    with pytest.raises(InputError, match=rf"^{codec} failed on an image of 30×20 \({words}\)$"):
        distort(name, np.zeros((20, 30, 3), np.uint8), 1)
