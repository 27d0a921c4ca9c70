"""BIQ2021's two lists beside each other."""

import pytest

from rankiqa.datasets.registry import open_dataset
from rankiqa.errors import InputError
from tests.datasets import layouts


def test_an_image_in_both_lists_is_named_with_both_places(tmp_path):
    layouts.biq2021(tmp_path)
    with (tmp_path / "Test (Images and MOS).csv").open("a") as file:
        file.write("ss01 (2).jpg,0.2,,\n")
    message = (
        r"Test \(Images and MOS\)\.csv, line 4: .* is there twice, first in .*Train \(Images and MOS\)\.csv, line 3"
    )
    with pytest.raises(InputError, match=message):
        open_dataset("biq2021", tmp_path)


def test_a_row_without_a_name(tmp_path):
    layouts.biq2021(tmp_path)
    with (tmp_path / "Train (Images and MOS).csv").open("a") as file:
        file.write(",0.2,,\n")
    with pytest.raises(InputError, match="line 6: no name of an image"):
        open_dataset("biq2021", tmp_path)
