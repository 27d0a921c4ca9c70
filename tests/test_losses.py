"""The pair losses against a double loop, closed forms and finite differences."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm, wasserstein_distance

from rankiqa.losses import (
    contrastive,
    distance,
    emd,
    hardest_pairs_hinge,
    ordered_pairs,
    pair_statistics,
    pairwise_hinge,
    pairwise_logistic,
    preference_loss,
)


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


def test_the_hardest_of_a_few_pairs_push_as_all_of_them():
    """Fewer than are kept, with one that has no loss, and images that are in no pair."""
    group, level = torch.tensor([0, 0, 0, 1, 2]), torch.tensor([0, 1, 2, 0, 0])
    pushed = []
    for loss in (lambda s: hardest_pairs_hinge(s, group, level, keep=8), lambda s: pairwise_hinge(s, group, level)):
        scores = torch.tensor([3.0, 2.5, 1.0, 7.0, -7.0], requires_grad=True)
        loss(scores).backward()
        pushed.append(scores.grad)
    assert torch.equal(*pushed)
    assert pushed[0].tolist() == pytest.approx([-1 / 3, 1 / 3, 0, 0, 0])  # one pair of three has a loss


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


# --- a judge beside the levels ----------------------------------------------------------------------


def who_orders(group, level, quality, gap):
    """(better, worse, judged) of every ordered pair, one by one, as the definition says."""
    found = []
    for i in range(len(group)):
        for j in range(len(group)):
            if group[i] == group[j] and level[i] != level[j]:
                if level[i] < level[j]:
                    found.append((i, j, False))
            elif quality[i] - quality[j] > gap:
                found.append((i, j, True))
    return found


def judged_batch(n=40, groups=4, levels=5, seed=0):
    scores, group, level = batch(n, groups, levels, seed)
    quality = torch.rand(n, generator=torch.Generator().manual_seed(seed + 100), dtype=torch.float64)
    quality[1] = quality[2]  # a tie
    return scores, group, level, quality


@pytest.mark.parametrize("gap", [0.0, 0.03, 0.4, 2.0])
@pytest.mark.parametrize(("n", "groups", "levels"), [(40, 4, 5), (9, 9, 3), (12, 1, 2), (1, 1, 1)])
def test_pairs_of_a_judge_are_those_of_the_double_loop(gap, n, groups, levels):
    scores, group, level, quality = judged_batch(max(n, 3), groups, levels, seed=n)
    pairs = who_orders(group.tolist(), level.tolist(), quality.tolist(), gap)
    assert ordered_pairs(group, level, quality, gap).nonzero().tolist() == [[i, j] for i, j, _ in pairs]
    hinge = [max(0.0, float(scores[j] - scores[i]) + 1.5) for i, j, _ in pairs]
    soft = [math.log1p(math.exp(-0.7 * float(scores[i] - scores[j]))) for i, j, _ in pairs]
    for loss, each in (
        (lambda how: pairwise_hinge(scores, group, level, 1.5, how, quality, gap), hinge),
        (lambda how: pairwise_logistic(scores, group, level, quality, gap, 0.7, how), soft),
    ):
        assert loss("none").tolist() == pytest.approx(each, rel=1e-12)
        assert loss("pairs").item() == pytest.approx(sum(each) / max(1, len(each)), rel=1e-12)
        assert loss("images").item() == pytest.approx(sum(each) / len(scores), rel=1e-12)
    stats = pair_statistics(scores, group, level, 1.5, quality, gap)
    assert stats.pairs == len(pairs)
    if pairs:
        assert stats.judged == pytest.approx(sum(judged for _, _, judged in pairs) / len(pairs))
        assert stats.ordered == pytest.approx(np.mean([float(scores[i]) > float(scores[j]) for i, j, _ in pairs]))
        assert stats.active == pytest.approx(np.mean([x > 0 for x in hinge]))


def test_inside_a_type_the_level_wins_and_the_judge_speaks_where_it_is_silent():
    group, level = torch.tensor([0, 0, 0, 1]), torch.tensor([1, 2, 2, 1])
    upside_down = torch.tensor([0.1, 0.9, 0.5, 0.3])  # the judge prefers the higher level
    pairs = ordered_pairs(group, level, upside_down, gap=0.0).nonzero().tolist()
    assert [0, 1] in pairs and [0, 2] in pairs and [1, 0] not in pairs and [2, 0] not in pairs
    assert [1, 2] in pairs  # one type, one level
    assert {(1, 3), (2, 3), (3, 0)} <= set(map(tuple, pairs))  # two types
    assert len(pairs) == 6


def test_no_pair_is_ordered_both_ways():
    _, group, level, quality = judged_batch(seed=3)
    mask = ordered_pairs(group, level, quality)
    assert not (mask & mask.T).any()


def test_a_judge_that_says_nothing_leaves_the_levels():
    scores, group, level, quality = judged_batch(seed=4)
    alone = pairwise_hinge(scores, group, level)
    for silent in (torch.full_like(quality, 0.5), torch.full_like(quality, float("nan"))):
        assert torch.equal(ordered_pairs(group, level, silent), ordered_pairs(group, level))
        assert torch.equal(pairwise_hinge(scores, group, level, quality=silent), alone)
    quality[0] = float("nan")
    others = ordered_pairs(group, level, quality) & ~ordered_pairs(group, level)
    assert not others[0].any() and not others[:, 0].any() and others.any()


def test_the_hardest_pairs_are_a_judge_s_too():
    scores, group, level, quality = judged_batch(seed=5)
    pairs = who_orders(group.tolist(), level.tolist(), quality.tolist(), 0.1)
    losses = sorted((max(0.0, float(scores[j] - scores[i]) + 1.0) for i, j, _ in pairs), reverse=True)[:8]
    found = hardest_pairs_hinge(scores, group, level, 1.0, 8, quality, 0.1).item()
    assert found == pytest.approx(sum(losses) / 8)


def test_gradient_of_the_logistic_loss_equals_finite_differences():
    scores, group, level, quality = judged_batch(12, 3, 3, seed=6)
    scores.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: pairwise_logistic(s, group, level, quality, 0.1), (scores,))
    lonely = torch.randn(5, requires_grad=True)
    loss = pairwise_logistic(lonely, torch.arange(5), torch.arange(5))
    (gradient,) = torch.autograd.grad(loss, lonely)
    assert loss.item() == 0 and not gradient.any()


def test_the_logistic_loss_of_scores_far_apart_is_their_distance_and_finite():
    scores = torch.tensor([-1000.0, 1000.0], requires_grad=True)
    loss = pairwise_logistic(scores, torch.tensor([0, 0]), torch.tensor([0, 1]), steepness=2.0)
    loss.backward()
    assert loss.item() == pytest.approx(4000)
    assert scores.grad.tolist() == [-2, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steepness": 0.0}, "steepness must be > 0, got 0.0"),
        ({"gap": -0.1}, "gap must be ≥ 0, got -0.1"),
        ({"quality": torch.zeros(3)}, r"quality must be \(N,\) like group \(4,\), got \(3,\)"),
        ({"reduction": "sum"}, "reduction must be one of"),
        ({"scores": torch.zeros(3)}, r"scores must be \(N,\) like group"),
    ],
)
def test_bad_arguments_of_the_logistic_loss_are_named(change, message):
    arguments = {
        "scores": torch.zeros(4),
        "group": torch.zeros(4),
        "level": torch.arange(4),
        "quality": torch.zeros(4),
    }
    with pytest.raises(ValueError, match=message):
        pairwise_logistic(**(arguments | change))


# --- people's preferences ---------------------------------------------------------------------------


def test_preference_loss_equals_a_loop_over_the_pairs():
    g = torch.Generator().manual_seed(0)
    scores, mos = (torch.randn(15, generator=g, dtype=torch.float64) for _ in range(2))
    total, pairs = 0.0, 0
    for i in range(15):
        for j in range(i + 1, 15):
            p = norm.cdf(float(mos[i] - mos[j]) / 0.5)
            says = 1 / (1 + math.exp(-float(scores[i] - scores[j])))
            total -= p * math.log(says) + (1 - p) * math.log(1 - says)
            pairs += 1
    assert preference_loss(scores, mos, 0.5).item() == pytest.approx(total / pairs, rel=1e-12)
    assert preference_loss(scores + 7, mos - 3, 0.5).item() == pytest.approx(total / pairs, rel=1e-12)


def test_preference_loss_is_least_where_the_network_has_the_probabilities_of_people():
    mos = torch.linspace(0, 1, 4, dtype=torch.float64)
    # Of two photos the least cross-entropy is the entropy, at the score difference logit(Φ).
    p = norm.cdf(1.0)
    scores = torch.tensor([math.log(p / (1 - p)), 0.0], dtype=torch.float64, requires_grad=True)
    loss = preference_loss(scores, torch.tensor([1.0, 0.0], dtype=torch.float64), 1.0)
    loss.backward()
    assert loss.item() == pytest.approx(-p * math.log(p) - (1 - p) * math.log(1 - p))
    assert scores.grad.abs().max().item() == pytest.approx(0, abs=1e-12)
    flat = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(preference_loss(flat, mos, 0.3), flat)
    assert (gradient.diff() < 0).all()  # the better a photo, the more its score should rise


@pytest.mark.parametrize("n", [0, 1])
def test_preference_loss_of_less_than_two_images_is_zero(n):
    scores = torch.zeros(n, requires_grad=True)
    loss = preference_loss(scores, torch.zeros(n), 1.0)
    loss.backward()
    assert loss.item() == 0 and not scores.grad.any()


def test_preference_loss_refuses_other_shapes_and_deviations():
    with pytest.raises(ValueError, match=r"scores and mos must both be \(N,\)"):
        preference_loss(torch.zeros(3), torch.zeros(2), 1.0)
    for deviation in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="deviation must be > 0"):
            preference_loss(torch.zeros(2), torch.zeros(2), deviation)


# --- earth mover's distance -------------------------------------------------------------------------


def votes(n, seed, dtype=torch.float64):
    return torch.rand(n, 10, generator=torch.Generator().manual_seed(seed), dtype=dtype).softmax(1)


def scalar_emd(p, q, r):
    """One image, by the definition."""
    total, cdf_p, cdf_q = 0.0, 0.0, 0.0
    for a, b in zip(p, q, strict=True):
        cdf_p, cdf_q = cdf_p + a, cdf_q + b
        total += abs(cdf_p - cdf_q) ** r
    return (total / len(p)) ** (1 / r)


@pytest.mark.parametrize("r", [1, 1.5, 2, 3])
def test_emd_equals_the_scalar_definition(r):
    p, q = votes(12, 0), votes(12, 1)
    wanted = [scalar_emd(a, b, r) for a, b in zip(p.tolist(), q.tolist(), strict=True)]
    assert emd(p, q, r).tolist() == pytest.approx(wanted, rel=1e-12)


def test_emd_with_r_1_is_the_wasserstein_distance_per_bin():
    p, q = votes(8, 2), votes(8, 3)
    bins = np.arange(10)
    wanted = [wasserstein_distance(bins, bins, a, b) / 10 for a, b in zip(p.numpy(), q.numpy(), strict=True)]
    assert emd(p, q, 1).tolist() == pytest.approx(wanted, rel=1e-9)


def test_emd_is_largest_between_the_ends():
    ends = torch.eye(10)
    assert emd(ends[:1], ends[9:], 1).item() == pytest.approx(0.9)
    assert emd(ends[:1], ends[9:], 2).item() == pytest.approx(0.9**0.5)
    assert emd(ends[:1], ends[1:2], 2).item() == pytest.approx(0.1**0.5)  # one bin away, and 9 of 10 CDFs agree


@pytest.mark.parametrize("r", [1.0, 1.5, 2.0, 3.0])
def test_the_gradient_of_emd_is_right_and_finite_where_both_agree(r):
    logits = torch.randn(5, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(4), requires_grad=True)
    target = votes(5, 5)
    assert torch.autograd.gradcheck(lambda x: emd(x.softmax(1), target, r), logits)
    same = logits.detach().clone().requires_grad_()
    target = torch.cat([same.detach().softmax(1)[:2], target[2:]])  # two of five images agree exactly
    loss = emd(same.softmax(1), target, r)
    loss.sum().backward()
    assert loss[:2].tolist() == [0, 0]
    assert torch.isfinite(same.grad).all()
    assert not same.grad[:2].any()
    assert same.grad[2:].any(1).all()


@pytest.mark.parametrize(("p", "q", "r"), [(votes(2, 0), votes(3, 0), 2), (votes(2, 0)[0], votes(2, 0)[0], 2)])
def test_emd_refuses_other_shapes(p, q, r):
    with pytest.raises(ValueError, match=r"must both be \(N, K\)"):
        emd(p, q, r)


def test_a_nan_stays_one_and_no_power_underflows():
    p, q = votes(3, 0, torch.float32), votes(3, 1, torch.float32)
    p[1] = float("nan")
    for r in (1, 2):
        assert torch.isnan(emd(p, q, r)).tolist() == [False, True, False]
    near = votes(1, 2, torch.float32)
    other = near + 1e-4 * torch.tensor([[1.0, -1.0] * 5])
    wanted = [scalar_emd(near[0].double().tolist(), other[0].double().tolist(), r) for r in (2, 20)]
    assert [emd(near, other, r).item() for r in (2, 20)] == pytest.approx(wanted, rel=1e-2)


@pytest.mark.parametrize("r", [0.5, 0, -1, float("nan"), float("inf")])
def test_emd_refuses_an_exponent_below_one_or_without_end(r):
    with pytest.raises(ValueError, match="r must be ≥ 1"):
        emd(votes(2, 0), votes(2, 1), r)


# --- contrastive ------------------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [1.0, 0.3, 2.5])
def test_contrastive_equals_a_loop_over_the_pairs(margin):
    g = torch.Generator().manual_seed(0)
    first, second = (torch.randn(40, generator=g, dtype=torch.float64) for _ in range(2))
    same = torch.randint(2, (40,), generator=g)
    total = 0.0
    for a, b, y in zip(first.tolist(), second.tolist(), same.tolist(), strict=True):
        d = abs(a - b)
        total += d**2 if y else max(0.0, margin - d) ** 2
    assert contrastive(first, second, same, margin).item() == pytest.approx(total / 40, rel=1e-6)
    assert contrastive(second, first, same, margin).item() == pytest.approx(total / 40, rel=1e-6)  # no direction


def test_contrastive_pulls_equals_together_and_pushes_others_apart():
    scores = torch.tensor([5.0, 5.4, 5.0, 5.4], requires_grad=True)
    contrastive(scores[:1], scores[1:2], torch.tensor([1])).backward()
    contrastive(scores[2:3], scores[3:], torch.tensor([0])).backward()
    assert scores.grad.sign().tolist() == [-1, 1, 1, -1]
    equal = torch.tensor([5.0, 5.0], requires_grad=True)
    contrastive(equal[:1], equal[1:], torch.tensor([0])).backward()
    assert torch.isfinite(equal.grad).all()
    assert distance(equal[:1], equal[1:]).item() == pytest.approx(1e-7**0.5)


def test_contrastive_refuses_other_shapes_and_a_negative_margin():
    with pytest.raises(ValueError, match="must all be"):
        contrastive(torch.zeros(2), torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="margin"):
        contrastive(torch.zeros(2), torch.zeros(2), torch.zeros(2), margin=-1)
