import numpy as np
from PIL import Image

from rankiqa.ranks.contact_sheet import draw_sheet
from rankiqa.ranks.ranked_set import RankedSet
from tests.ranks.test_making import make


def test_the_sheet_shows_centre_crops_at_native_size(photos, tmp_path):
    (tmp_path / "photos").mkdir()
    pixels = photos["coffee.png"]
    Image.fromarray(pixels).save(tmp_path / "photos" / "coffee.png")
    assert make(tmp_path / "photos", tmp_path / "ranks", "--distortions", "JPEG,GN") == 0
    ranks = RankedSet.read(tmp_path / "ranks")
    sheet = np.array(draw_sheet(ranks, "coffee.png"))
    assert (np.array(Image.open(tmp_path / "ranks" / "sheet.png")) == sheet).all()
    top, left = (pixels.shape[0] - 224) // 2, (pixels.shape[1] - 224) // 2
    windows = []
    for distortion, level in (("GN", 0), ("GN", 4), ("JPEG", 5)):
        image = np.array(Image.open(ranks.row_path("coffee.png", distortion, level)))
        crop = image[top : top + 224, left : left + 224]
        corners = np.argwhere((sheet == crop[0, 0]).all(axis=-1))
        windows.append([(y, x) for y, x in corners if np.array_equal(sheet[y : y + 224, x : x + 224], crop)])
    pristine, noisy, blocky = windows
    assert [len(found) for found in windows] == [2, 1, 1]  # a pristine image heads each row
    assert noisy[0][0] in {y for y, _ in pristine}
    assert noisy[0][1] < blocky[0][1]
