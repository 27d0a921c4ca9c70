import dataclasses

import numpy as np
import pytest

from rankiqa.distortions import DISTORTIONS, SETS, resolve
from rankiqa.errors import InputError

ALL = [(d, strength) for d in DISTORTIONS.values() for strength in d.levels["live"]]
IDS = [f"{d.name}-{strength:.3g}" for d, strength in ALL]


def test_the_live_levels_are_the_papers():
    # The numbers as the paper prints them; ours carry the exact values behind the rounding.
    printed = {
        "GB": (1.2, 2.5, 6.5, 15.2, 33.2),
        "GN": (0.001, 0.006, 0.022, 0.088, 1.0),
        "JPEG": (43, 12, 7, 4, 0),
        "JP2K": (24 / 0.46, 24 / 0.16, 24 / 0.07, 24 / 0.04, 24 / 0.02),
    }
    digits = {"GB": 1, "GN": 3, "JPEG": 0, "JP2K": -1}
    for name, numbers in printed.items():
        ours = DISTORTIONS[name].levels["live"]
        assert np.round(ours, digits[name]).tolist() == np.round(numbers, digits[name]).tolist()
        assert len(DISTORTIONS[name].levels["tid2013"]) == 4
    assert [DISTORTIONS[name].tid2013 for name in SETS["live"]] == [8, 1, 10, 11]


def test_resolve_takes_a_set_or_names():
    assert [d.name for d in resolve("live")] == ["GB", "GN", "JPEG", "JP2K"]
    assert [d.name for d in resolve("JPEG, GB")] == ["JPEG", "GB"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("GB,blur", ["'blur'", "GB, GN, JPEG, JP2K"]), ("GB,GN,GB", ["'GB'", "twice"]), ("", ["''", "known"])],
)
def test_resolve_says_what_is_wrong(text, words):
    with pytest.raises(InputError) as caught:
        resolve(text)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(("distortion", "strength"), ALL, ids=IDS)
def test_the_input_is_left_alone_and_the_output_is_another_array(distortion, strength, photo):
    image = photo.copy()
    made = distortion(image, strength, np.random.default_rng(0))
    assert (image == photo).all()
    assert not np.shares_memory(made, image)
    assert (distortion(photo, strength, np.random.default_rng(0)) == made).all()


@pytest.mark.parametrize("shape", [(8, 8), (1, 1), (1, 50), (50, 1), (7, 13)], ids=str)
@pytest.mark.parametrize("name", DISTORTIONS)
def test_small_and_odd_images_keep_their_mean_roughly(name, shape):
    # Blur and the codecs keep the mean; an image padded with black, say, would not.
    image = np.random.default_rng(1).integers(96, 160, (*shape, 3), dtype=np.uint8)
    for strength in DISTORTIONS[name].levels["live"][:3]:
        made = DISTORTIONS[name](image, strength, np.random.default_rng(0))
        assert made.shape == image.shape
        assert made.dtype == np.uint8
        if name != "GN":
            assert abs(made.mean() - image.mean()) < 20


@pytest.mark.parametrize("value", [0, 255, 77])
@pytest.mark.parametrize(("name", "tolerance"), [("GB", 0), ("JP2K", 1), ("JPEG", 45)])
def test_a_constant_image_stays_constant(name, tolerance, value):
    # JPEG may move the level: its coarsest step is 255 / 8 at each side, and chroma adds to it.
    image = np.full((33, 40, 3), value, np.uint8)
    for strength in DISTORTIONS[name].levels["live"]:
        made = DISTORTIONS[name](image, strength, np.random.default_rng(0)).astype(int)
        assert np.ptp(made.reshape(-1, 3), axis=0).max() == 0
        assert np.abs(made - value).max() <= tolerance


@pytest.mark.parametrize("name", DISTORTIONS)
def test_psnr_falls_with_every_level_on_every_builtin_photo(name, photos):
    distortion = DISTORTIONS[name]
    for image in photos.values():
        psnr = []
        for strength in distortion.levels["live"]:
            error = distortion(image, strength, np.random.default_rng(0)).astype(float) - image
            psnr.append(10 * np.log10(255**2 / np.mean(error**2)))
        assert (np.diff(psnr) < -0.4).all(), psnr


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3))])
def test_other_arrays_are_refused(image):
    for distortion in DISTORTIONS.values():
        with pytest.raises(InputError, match="uint8 H×W×3"):
            distortion(image, distortion.levels["live"][0], np.random.default_rng(0))


def test_an_entry_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DISTORTIONS["GB"].name = "other"
