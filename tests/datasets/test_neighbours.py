from itertools import combinations

import cv2
import numpy as np
import pytest
from PIL import Image

from rankiqa.datasets.neighbours import components, content_groups, descriptor

CHANGES = {
    "jpeg": lambda a: cv2.imdecode(cv2.imencode(".jpg", a, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], cv2.IMREAD_COLOR),
    "darker": lambda a: (a * 0.6).astype(np.uint8),
    "brighter": lambda a: np.clip(a.astype(float) + 25, 0, 255).astype(np.uint8),
    "shifted": lambda a: a[len(a) // 50 :, : -len(a) // 50],
    "blurred": lambda a: cv2.GaussianBlur(a, (0, 0), 5),
    "smaller": lambda a: cv2.resize(a, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA),
    "stretched": lambda a: cv2.resize(a, (300, 300), interpolation=cv2.INTER_AREA),
}


@pytest.fixture(scope="module")
def files(photos, tmp_path_factory):
    """Each photo as it is and changed: {(photo, change): file}."""
    folder = tmp_path_factory.mktemp("neighbours")
    found = {}
    for name, pixels in photos.items():
        for change, function in {"as it is": lambda a: a, **CHANGES}.items():
            found[name, change] = folder / f"{change} {name}.png"
            Image.fromarray(np.ascontiguousarray(function(pixels))).save(found[name, change])
    return found


def test_a_changed_photo_is_a_neighbour_and_another_photo_is_not(files):
    look = {key: descriptor(file).astype(float) for key, file in files.items()}
    for (a, x), (b, y) in combinations(look.items(), 2):
        assert (x @ y > 0.85) == (a[0] == b[0]), (a, b)
        if a[0] != b[0]:
            assert x @ y < 0.6
    keys = list(files)[::-1]
    groups = content_groups([files[key] for key in keys])
    # a group bears the name of its first file: here of the last change
    assert groups == tuple(f"stretched {name}.png" for name, _ in keys)


def test_a_descriptor_is_averaged_and_without_what_is_smooth(photos, tmp_path):
    Image.fromarray(photos["astronaut.png"]).save(tmp_path / "a.png")
    size, pixels = 8, photos["astronaut.png"].astype(float)  # 512×512: whole blocks
    means = np.array(
        [[pixels[r : r + 64, c : c + 64].mean((0, 1)) for c in range(0, 512, 64)] for r in range(0, 512, 64)]
    )
    axis = np.arange(size) / (size - 1)
    y, x = (part.ravel() for part in np.meshgrid(axis, axis, indexing="ij"))
    smooth = np.stack([np.ones(64), x, y, x**2, y**2], 1)
    rest = means.reshape(64, 3)
    rest = rest - smooth @ np.linalg.lstsq(smooth, rest, rcond=None)[0]
    np.testing.assert_allclose(descriptor(tmp_path / "a.png", size), (rest / np.linalg.norm(rest)).ravel(), atol=1e-5)


def test_a_jpeg_read_at_a_fraction_of_its_size_is_the_same_picture(photos, tmp_path):
    picture = Image.fromarray(photos["coffee.png"])
    picture.save(tmp_path / "a.jpg", quality=95)
    Image.open(tmp_path / "a.jpg").save(tmp_path / "a.png")  # decoded at full size
    assert descriptor(tmp_path / "a.jpg") @ descriptor(tmp_path / "a.png") > 0.999
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° to the right when shown
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", quality=95, exif=exif)
    assert descriptor(tmp_path / "turned.jpg") @ descriptor(tmp_path / "a.png") > 0.99


def test_what_cannot_be_compared_is_a_group_of_its_own(photos, tmp_path):
    y, x = np.mgrid[0:96, 0:128]
    for name in ("black1", "black2"):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{name}.png")
    for name, light in (("sky1", 250), ("sky2", 240)):  # a gradient: nothing but its rounding is left
        sky = np.repeat((light - y * 1.5 - x * 0.2)[..., None], 3, axis=2)
        Image.fromarray(np.rint(sky).astype(np.uint8)).save(tmp_path / f"{name}.png")
    Image.fromarray(photos["coffee.png"]).save(tmp_path / "cut.jpg")
    data = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.png").write_text("not an image")
    names = ["black1.png", "black2.png", "sky1.png", "sky2.png", "cut.jpg", "text.png", "absent.png"]
    assert content_groups([tmp_path / name for name in names]) == tuple(names)


def test_groups_of_files_with_one_name_are_told_apart(photos, tmp_path):
    files = []
    for folder, name in (("a", "coffee.png"), ("b", "rocket.jpg"), ("c", "coffee.png")):
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "x.png")
        Image.fromarray(photos[name]).save(files[-1])
    assert content_groups(files, workers=1) == ("x.png (0)", "x.png (1)", "x.png (0)")
    assert content_groups([]) == ()


def connected(vectors, threshold):
    """The same by a double loop: the lowest row that each row is joined with."""
    lowest = list(range(len(vectors)))
    for i, a in enumerate(vectors):
        for j, b in enumerate(vectors[:i]):
            if sum(x * y for x, y in zip(a, b, strict=True)) > threshold:
                low, high = sorted((lowest[i], lowest[j]))
                lowest = [low if k == high else k for k in lowest]
    return lowest


@pytest.mark.parametrize("threshold", [0.9, 0.95, 0.97])
def test_blocks_do_not_change_the_components(threshold):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((90, 4))  # few dimensions: chains of neighbours
    vectors = np.float32(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    vectors[::15] = 0
    expected = connected(vectors.astype(float).tolist(), threshold)
    sizes = np.bincount(expected)
    assert sizes.max() > 2 and (sizes == 1).sum() > 6
    for block in (1, 7, 45, 90, 4096):
        found = list(components(vectors, threshold, block))
        assert [found.index(k) for k in found] == expected
