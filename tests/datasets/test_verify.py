"""What `verify` counts as a fault."""

import pytest
from PIL import Image

from rankiqa.cli import main
from rankiqa.datasets.verify import verify_dataset
from tests.datasets import layouts


@pytest.fixture
def part(tmp_path):
    """A part of BIQ2021: six images of 224×224, one of them grey."""
    scores = layouts.biq2021(tmp_path)
    for name in scores:
        layouts.picture(tmp_path / "Images" / name, 1, (224, 224))
    Image.new("L", (224, 224), 7).save(tmp_path / "Images" / "ss01 (2).jpg")
    (tmp_path / "labels.csv").write_text("name,mos\n" + "".join(f"{name},{mos}\n" for name, mos in scores.items()))
    return tmp_path


def test_a_declared_part_with_a_grey_image_is_whole(part, capsys):
    found = verify_dataset("biq2021", part, workers=3)
    assert found.is_whole
    assert [(problem.kind, problem.path) for problem in found.problems] == [("conversion", "Images/ss01 (2).jpg")]
    assert main(["verify", "biq2021", "--root", str(part), "--workers", "1"]) == 0
    assert "conversion: Images/ss01 (2).jpg: is greyscale" in capsys.readouterr().out


def test_the_lists_of_the_repository_must_be_complete(part, capsys):
    (part / "labels.csv").unlink()
    assert main(["verify", "biq2021", "--root", str(part)]) == 2
    assert "count: the labels list 6 images, the whole data set has 12000" in capsys.readouterr().out


def test_long_lists_are_cut_and_the_report_has_all(part, capsys):
    labels = part / "labels.csv"
    with labels.open("a") as file:
        file.writelines(f"ss09 ({k}).jpg,0.5\n" for k in range(25))
    flags = ["verify", "biq2021", "--root", str(part), "--report", str(part / "report.csv")]
    assert main(flags) == 2
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("missing: ss09 (") for line in lines) == 20
    assert "missing: and 5 more" in lines
    assert lines[-1] == "25 faults"
    assert (part / "report.csv").read_text().count("missing,ss09") == 25


def test_a_csv_file_with_its_own_scale(part, capsys):
    flags = ["verify", "csv", "--root", str(part / "Images"), "--labels", str(part / "labels.csv")]
    assert main([*flags, "--score-range", "0", "1"]) == 0
    assert "6 of 6 images; scores 0.1 to 0.6 on a scale of 0 to 1, higher is better" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*flags, "--workers", "0"])
    assert "must be at least 1, not 0" in capsys.readouterr().err
