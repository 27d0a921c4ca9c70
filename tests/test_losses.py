"""The pair losses against a double loop, closed forms and finite differences."""

import pytest
import torch

from rankiqa.losses import hardest_pairs_hinge, ordered_pairs, pair_statistics, pairwise_hinge


def double_loop(scores, group, level, margin):
    """Every ordered pair, one by one, as the definition says."""
    losses = []
    for i in range(len(scores)):
        for j in range(len(scores)):
            if group[i] == group[j] and level[i] < level[j]:  # i is the better one
                losses.append(max(0.0, float(scores[j]) - float(scores[i]) + margin))
    return losses


def batch(n, groups, levels, seed):
    g = torch.Generator().manual_seed(seed)
    return (
        torch.randn(n, generator=g, dtype=torch.float64) * 3,
        torch.randint(groups, (n,), generator=g),
        torch.randint(levels, (n,), generator=g),
    )


@pytest.mark.parametrize(("n", "groups", "levels"), [(48, 4, 6), (45, 9, 5), (7, 1, 3), (2, 1, 2), (13, 13, 2)])
@pytest.mark.parametrize("margin", [0.0, 1.0, 10.0])
def test_equals_double_loop(n, groups, levels, margin):
    scores, group, level = batch(n, groups, levels, seed=n)
    losses = double_loop(scores, group, level, margin)
    total = sum(losses)
    close = {"rel": 1e-12, "abs": 1e-12}
    assert pairwise_hinge(scores, group, level, margin, "images").item() == pytest.approx(total / n, **close)
    assert pairwise_hinge(scores, group, level, margin, "pairs").item() == pytest.approx(
        total / max(1, len(losses)), **close
    )
    each = pairwise_hinge(scores, group, level, margin, "none")
    assert each.tolist() == pytest.approx(losses, **close)


def test_layouts_of_the_paper_have_the_expected_number_of_pairs():
    # LIVE: 4 types × 6 levels × 2 photos; of one type 15 pairs of levels, each between 2 × 2 photos.
    group = torch.arange(4).repeat_interleave(12)
    level = torch.arange(6).repeat(8)
    assert int(ordered_pairs(group, level).sum()) == 4 * 15 * 4
    # TID2013: 9 types × 5 levels × 1 photo.
    assert int(ordered_pairs(torch.arange(9).repeat_interleave(5), torch.arange(5).repeat(9)).sum()) == 9 * 10


def test_any_order_of_the_batch_gives_the_same_loss():
    scores, group, level = batch(48, 4, 6, seed=0)
    order = torch.randperm(48, generator=torch.Generator().manual_seed(1))
    assert pairwise_hinge(scores, group, level, 1.0).item() == pytest.approx(
        pairwise_hinge(scores[order], group[order], level[order], 1.0).item(), rel=1e-12
    )


def test_direction_perfect_scores_cost_nothing_and_reversed_ones_their_distance():
    group, level = torch.zeros(4, dtype=torch.long), torch.arange(4)
    assert pairwise_hinge(-10.0 * level, group, level, margin=10.0).item() == 0
    # Upside down by 10 a level: pairs one, two and three levels apart cost 10·d + margin.
    expected = (3 * 20 + 2 * 30 + 1 * 40) / 6
    assert pairwise_hinge(10.0 * level, group, level, margin=10.0).item() == pytest.approx(expected)


@pytest.mark.parametrize("reduction", ["images", "pairs"])
def test_gradient_equals_finite_differences(reduction):
    scores, group, level = batch(12, 2, 4, seed=5)
    scores.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: pairwise_hinge(s, group, level, 1.0, reduction), (scores,))
    pairwise_hinge(scores, group, level, 1.0, reduction).backward()
    # Each pair pushes its two scores apart with equal force.
    assert scores.grad.sum().item() == pytest.approx(0, abs=1e-12)


def test_without_ordered_pairs_the_loss_and_its_gradient_are_zero():
    scores = torch.randn(5, requires_grad=True)
    for loss in (
        pairwise_hinge(scores, torch.arange(5), torch.arange(5)),
        pairwise_hinge(scores, torch.zeros(5, dtype=torch.long), torch.full((5,), 2)),
        hardest_pairs_hinge(scores, torch.arange(5), torch.arange(5)),
    ):
        (gradient,) = torch.autograd.grad(loss, scores)
        assert loss.item() == 0 and gradient.abs().max().item() == 0


@pytest.mark.parametrize("keep", [1, 8, 10_000])
def test_hardest_pairs_are_the_largest_of_the_double_loop(keep):
    scores, group, level = batch(48, 4, 6, seed=2)
    losses = sorted(double_loop(scores, group, level, 1.0), reverse=True)[:keep]
    assert hardest_pairs_hinge(scores, group, level, 1.0, keep).item() == pytest.approx(sum(losses) / len(losses))


def test_statistics_count_a_tie_as_not_ordered():
    scores = torch.tensor([3.0, 2.5, 2.5, 0.0])
    stats = pair_statistics(scores, torch.zeros(4, dtype=torch.long), torch.arange(4), margin=1.0)
    assert stats.pairs == 6
    assert stats.ordered == pytest.approx(5 / 6)
    assert stats.active == pytest.approx(3 / 6)  # (0,1), (0,2) and (1,2) are closer than the margin


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": -1.0}, "margin must be ≥ 0, got -1.0"),
        ({"margin": float("nan")}, "margin must be ≥ 0, got nan"),
        ({"reduction": "sum"}, "reduction must be one of images, pairs, none, got 'sum'"),
        ({"scores": torch.zeros(3)}, r"scores must be \(N,\) like group \(4,\), got \(3,\)"),
        ({"scores": torch.zeros(4, 1)}, r"got \(4, 1\)"),
        ({"level": torch.arange(3)}, r"group and level must both be \(N,\)"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {"scores": torch.zeros(4), "group": torch.zeros(4), "level": torch.arange(4), "margin": 1.0}
    with pytest.raises(ValueError, match=message):
        pairwise_hinge(**(arguments | change))
