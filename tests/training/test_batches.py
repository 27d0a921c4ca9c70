"""Batches: the same whoever reads them, and an image that cannot be read is told as it is."""

import shutil

import pytest
import torch

from rankiqa.cli.train_rank import main
from rankiqa.config import RankBatchConfig, RankDataConfig, RankModelConfig
from rankiqa.errors import InputError
from rankiqa.ranks.ranked_set import RankedSet
from rankiqa.training.batches import load_batches, own_places
from rankiqa.training.ranked_batches import RankedBatches
from rankiqa.training.ranking import RankTrainer
from rankiqa.training.samplers import EfficientGroups
from tests.training.ranked_runs import flags, settings, weights


def test_crops_of_a_batch_have_their_own_places_whatever_the_workers(ranks):
    data = RankedSet.read(ranks)
    batches = RankedBatches(data, EfficientGroups(data.references, data.levels, images=2), 48, seed=0)
    plain = list(load_batches(batches, 0, 3, 0))
    for a, b in zip(plain, load_batches(batches, 0, 3, 2), strict=True):
        assert all(torch.equal(a[k], b[k]) for k in a)
    # The parts of two processes make up the whole.
    parts = [RankedBatches(data, batches.sampler, 48, 0, rank, 2)[1] for rank in (0, 1)]
    assert torch.equal(parts[0]["images"], plain[1]["images"][0::2])
    assert torch.equal(parts[1]["images"], plain[1]["images"][1::2])
    # The same pristine photo in two groups is cropped at two places.
    items = batches.sampler.batch(0)
    twice = [i for i, item in enumerate(items) if (item.reference, item.level) == (items[0].reference, 0)]
    if len(twice) > 1:
        assert not torch.equal(plain[0]["images"][twice[0]], plain[0]["images"][twice[1]])


def test_a_broken_image_names_the_file_and_keeps_the_checkpoints(ranks, tmp_path, capsys):
    copy = tmp_path / "set"
    shutil.copytree(ranks, copy)
    broken = RankedSet.read(copy)
    path = broken.row_path(broken.references[0], "GN", 3)
    path.write_bytes(path.read_bytes()[:200])
    arguments = flags(settings(copy, tmp_path / "run", data=RankDataConfig(ranks=str(copy), workers=1)))
    assert main(arguments) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(error) == 1 and str(path) in error[0]


class Numbers:
    """Batch `step` is the number of it; the one after 2 cannot be read."""

    def __getitem__(self, step):
        if step == 3:
            raise InputError("cut short", path="a.png", line=3, cure="copy it again", options=("convert=True",))
        return {"images": torch.tensor([step])}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_error_comes_in_its_turn_with_its_facts_whatever_the_workers(workers):
    seen = []
    with pytest.raises(InputError) as caught:
        for batch in load_batches(Numbers(), 0, 9, workers):
            seen.append(int(batch["images"]))
    error = caught.value
    facts = (error.reason, error.path, error.line, error.cure, error.options)
    assert facts == ("cut short", "a.png", 3, "copy it again", ("convert=True",))
    assert seen == [0, 1, 2]


def test_a_batch_is_shared_out_and_not_too_small():
    assert [list(own_places(5, rank, 2)) for rank in (0, 1)] == [[0, 2, 4], [1, 3]]
    with pytest.raises(InputError, match="a batch of 2 images is too small for 3 processes"):
        own_places(2, 2, 3)


def test_a_run_learns_the_same_and_goes_on_without_it(ranks, tmp_path):
    common = {
        "model": RankModelConfig(name="squeezenet1_1", crop=48, dropout=0.0),
        "batch": RankBatchConfig(images=1),
        "steps": 2,
    }
    RankTrainer(settings(ranks, tmp_path / "plain", **common)).run()
    data = RankDataConfig(ranks=str(ranks), holdout=1, workers=0, decoded=str(tmp_path / "d"), decoded_gb=0.001)
    RankTrainer(settings(ranks, tmp_path / "run", data=data, **(common | {"checkpoint_every": 1}))).run()
    expected, found = weights(tmp_path / "plain"), weights(tmp_path / "run")
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert 0 < sum(path.stat().st_size for path in (tmp_path / "d").glob("*.rgb")) <= 10**6
    without = settings(ranks, tmp_path / "run", resume=True, **(common | {"checkpoint_every": 1}))
    assert RankTrainer(without).step == 2


def test_less_than_no_space_is_refused(ranks, tmp_path):
    config = settings(ranks, tmp_path / "run", data=RankDataConfig(ranks=str(ranks), decoded_gb=-1))
    with pytest.raises(InputError, match=r"data\.decoded_gb must be at least 0"):
        config.check()
