"""Scores of ranked images: one by one on a processor, images of one shape together on a GPU, and the same."""

import numpy as np
import pytest
import torch

from rankiqa.errors import InputError
from rankiqa.images.photos import PRISTINE
from rankiqa.models import build_model
from rankiqa.ranks.online import OnlineSet
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.scoring.patches import score_batch, score_image
from rankiqa.scoring.view import View
from rankiqa.training import rank_validation
from rankiqa.training.rank_validation import score_ranks, summarize, validation_items
from rankiqa.training.ranking import RankTrainer

CPU = torch.device("cpu")


@pytest.fixture
def passes(monkeypatch):
    """As on a GPU; how many images each pass had."""
    found = []

    def score(model, batch, *args):
        found.append(len(batch))
        return score_batch(model, batch, *args)

    monkeypatch.setattr(rank_validation, "together", lambda device, view: True)
    monkeypatch.setattr(rank_validation, "score_batch", score)
    return found


@pytest.mark.parametrize("online", [False, True])
def test_together_images_have_the_scores_they_have_alone(photo_folder, ranks, passes, online):
    data = OnlineSet.find(photo_folder, "GN,JPEG") if online else RankedSet.read(ranks)
    data = data.select(data.references[:2])
    torch.manual_seed(0)
    model = build_model("squeezenet1_1", crop=48)
    items, view = validation_items(data), View(patches=2, seed=4)
    images = [item if item[2] else (item[0], PRISTINE, 0) for item in items]
    alone = [score_image(model, data.image(*image), view, CPU).mean for image in images]
    found = score_ranks(model, data, items, view, CPU)
    np.testing.assert_allclose(found, alone, rtol=0, atol=1e-6)
    assert np.ptp(alone) > 1e-3
    # Two photos at 5 levels of two types, and each pristine once.
    assert passes == [22]


def test_an_image_that_cannot_be_scored_is_named(photo_folder, passes):
    data = OnlineSet.find(photo_folder, "GN")
    model = build_model("squeezenet1_1", crop=100)
    with pytest.raises(InputError, match="smaller than the 100×100 crop"):
        score_ranks(model, data, validation_items(data), View(patches=1, small="error"), CPU)


def test_a_single_photo_has_no_pairs_between_photos():
    rows = summarize([("a.png", "GB", level) for level in range(3)], np.array([3.0, 2.0, 1.0]))
    for row in rows.values():
        said = RankTrainer.describe(None, row)
        assert said == "SROCC 1.000, ordered pairs 100.00% within a photo, none between photos"
