"""The losses. For ranking, each image passes the network once, then all ordered pairs of the batch are compared.

Three sources say which image of a pair is the better one:

- the level: both images belong to one group (a distortion type, say), and the one at the lower level is better;
- a judge, that is a full-reference metric (`rankiqa.judge`): its `quality` compares any two images of the batch, of
  whatever type and photo;
- people: a pair of scored photos has a probability that a rater prefers one (`preference_loss`).

Level and judge are one order (`ordered_pairs`), which comes from `group`, `level` and `quality` alone, so any order and
any size of the batch will do. People's is a loss of its own, as their pairs are never made with ranked images.

Sources: Liu, van de Weijer, Bagdanov, "RankIQA", ICCV 2017, eq. 1 and section 3.3 (efficient Siamese
back-propagation). Burges et al., "Learning to rank using gradient descent" (RankNet), ICML 2005. The two losses of NIMA
and Siamese NIMA, below, say their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

REDUCTIONS = ("images", "pairs", "none")
STEEPNESS = 2.0  # of `pairwise_logistic`, where none is given


def ordered_pairs(group: Tensor, level: Tensor, quality: Tensor | None = None, gap: float = 0.0) -> Tensor:
    """Which pairs of the batch have a known order.

    | the pair                                | its order                                                        |
    |-----------------------------------------|------------------------------------------------------------------|
    | of one group, at different levels       | the level's, whatever the judge says: inside a type it is known  |
    |                                         | by construction, and the judge is a metric that errs             |
    | of one group, at the same level         | the judge's, beyond the gap: the level has nothing to say        |
    | of two groups                           | the judge's, beyond the gap: levels of two types do not compare  |

    Without a judge the last two have no order: RankIQA as published. A type's two directions are two groups, so the
    judge compares them too.

    Args:
        group: (N,) integers; levels are compared inside a group only.
        level: (N,) numbers; 0 is pristine, a higher level is worse.
        quality: (N,) numbers, what the judge says of each image, **higher is better**; NaN where it says nothing. None:
            there is no judge.
        gap: ≥ 0, in the unit of `quality`; the judge orders a pair whose qualities differ by more than this.

    Returns:
        (N, N) booleans; entry (i, j) says that image i is the better one of an ordered pair.

    Raises:
        ValueError: shapes that differ, a negative gap.

    >>> ordered_pairs(torch.tensor([0, 0, 1]), torch.tensor([0, 2, 1])).nonzero().tolist()
    [[0, 1]]
    >>> judge = torch.tensor([1.0, 0.2, 0.7])  # images 0 and 2 are closer than the gap
    >>> ordered_pairs(torch.tensor([0, 0, 1]), torch.tensor([0, 2, 1]), judge, gap=0.4).nonzero().tolist()
    [[0, 1], [2, 1]]
    """
    if group.ndim != 1 or group.shape != level.shape:
        raise ValueError(f"group and level must both be (N,), got {tuple(group.shape)} and {tuple(level.shape)}")
    same = group[:, None] == group[None, :]
    by_level = same & (level[:, None] < level[None, :])
    if quality is None:
        return by_level
    if quality.shape != group.shape:
        raise ValueError(f"quality must be (N,) like group {tuple(group.shape)}, got {tuple(quality.shape)}")
    if not gap >= 0:
        raise ValueError(f"gap must be ≥ 0, got {gap}")
    by_judge = quality[:, None] - quality[None, :] > gap
    return by_level | (by_judge & ~by_level & ~by_level.T)


def pairwise_hinge(
    scores: Tensor,
    group: Tensor,
    level: Tensor,
    margin: float = 1.0,
    reduction: str = "pairs",
    quality: Tensor | None = None,
    gap: float = 0.0,
) -> Tensor:
    """Hinge loss max(0, f(worse) − f(better) + margin) over all ordered pairs of the batch.

    Args:
        scores: (N,) network outputs, higher is better.
        group: (N,) see `ordered_pairs`.
        level: (N,) see `ordered_pairs`.
        margin: how far apart the two scores should be, in the unit of the scores, ≥ 0. The paper: 10 on raw
            0–255 input.
        reduction: "pairs" divides the sum by the number of ordered pairs; "images" by N, as the original
            code does; "none" returns the (P,) losses of the P ordered pairs, in the order of
            `ordered_pairs(group, level, quality, gap).nonzero()`.
        quality: (N,) of a judge, or None; see `ordered_pairs`.
        gap: of the judge; see `ordered_pairs`.

    Returns:
        A scalar ("none": (P,)). Without any ordered pair the loss is 0 and its gradient too.

    Raises:
        ValueError: shapes that differ, a negative margin or gap, an unknown reduction.

    >>> scores = torch.tensor([2.0, 1.5, 3.0])
    >>> pairwise_hinge(scores, torch.tensor([0, 0, 0]), torch.tensor([0, 1, 2]), margin=1.0)
    tensor(1.6667)
    """
    _check_scores(scores, group, reduction)
    return _reduced(_hinges(scores, margin), ordered_pairs(group, level, quality, gap), reduction)


def _hinges(scores: Tensor, margin: float) -> Tensor:
    """(N, N); entry (i, j): f(j) − f(i) + margin or 0, where i is the better one."""
    if not margin >= 0:
        raise ValueError(f"margin must be ≥ 0, got {margin}")
    return (scores[None, :] - scores[:, None] + margin).clamp(min=0)


def pairwise_logistic(
    scores: Tensor,
    group: Tensor,
    level: Tensor,
    quality: Tensor | None = None,
    gap: float = 0.0,
    steepness: float = STEEPNESS,
    reduction: str = "pairs",
) -> Tensor:
    """Logistic loss log(1 + exp(−steepness · (f(better) − f(worse)))) over all ordered pairs of the batch: RankNet's.

    It is the cross-entropy of a network that gives the better image the probability σ(steepness · difference). Unlike
    the hinge it never ends: a pair that is far apart pushes on, if only a little.

    Args:
        scores: (N,) network outputs, higher is better.
        group: (N,) see `ordered_pairs`.
        level: (N,) see `ordered_pairs`.
        quality: (N,) of a judge, or None; see `ordered_pairs`.
        gap: of the judge; see `ordered_pairs`.
        steepness: > 0, per unit of the scores; the paper's σ.
        reduction: as for `pairwise_hinge`.

    Returns:
        A scalar ("none": (P,)). Without any ordered pair the loss is 0 and its gradient too.

    Raises:
        ValueError: shapes that differ, a steepness that is not positive, a negative gap, an unknown reduction.

    Source: Burges et al., "Learning to rank using gradient descent", ICML 2005, eq. 3 with a target of 1.

    >>> pairwise_logistic(torch.tensor([2.0, 1.0]), torch.tensor([0, 0]), torch.tensor([0, 1]), steepness=1.0)
    tensor(0.3133)
    """
    _check_scores(scores, group, reduction)
    if not steepness > 0:
        raise ValueError(f"steepness must be > 0, got {steepness}")
    mask = ordered_pairs(group, level, quality, gap)
    return _reduced(F.softplus(steepness * (scores[None, :] - scores[:, None])), mask, reduction)


def _check_scores(scores: Tensor, group: Tensor, reduction: str) -> None:
    if scores.shape != group.shape:
        raise ValueError(f"scores must be (N,) like group {tuple(group.shape)}, got {tuple(scores.shape)}")
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}")


def _reduced(losses: Tensor, mask: Tensor, reduction: str) -> Tensor:
    """The (N, N) losses of the pairs of `mask`, as `reduction` says."""
    if reduction == "none":
        return losses[mask]
    # A sum under a mask keeps the shape static: no index list, no wait for the device.
    total = torch.where(mask, losses, 0.0).sum()
    return total / (len(losses) if reduction == "images" else mask.sum().clamp(min=1))


def hardest_pairs_hinge(
    scores: Tensor,
    group: Tensor,
    level: Tensor,
    margin: float = 1.0,
    keep: int = 1,
    quality: Tensor | None = None,
    gap: float = 0.0,
) -> Tensor:
    """The mean hinge loss of the `keep` ordered pairs with the largest loss: hard-negative mining.

    Args:
        scores: (N,) network outputs, higher is better.
        group: (N,) see `ordered_pairs`.
        level: (N,) see `ordered_pairs`.
        margin: as for `pairwise_hinge`, in the unit of the scores, ≥ 0.
        keep: how many pairs, ≥ 1; with fewer ordered pairs all are taken.
        quality: (N,) of a judge, or None; see `ordered_pairs`.
        gap: of the judge; see `ordered_pairs`.

    Returns:
        A scalar; without any ordered pair it is 0, and its gradient too.

    Raises:
        ValueError: as for `pairwise_hinge`, and for a `keep` below 1.

    Source: the RankIQA paper's baseline for its sampling experiment (pairs of the batch with the largest loss).
    """
    if keep < 1:
        raise ValueError(f"keep must be ≥ 1, got {keep}")
    _check_scores(scores, group, "pairs")
    losses, mask = _hinges(scores, margin), ordered_pairs(group, level, quality, gap)
    # As in `_reduced` the shape is static: what is no pair has a loss below any other, and counts nothing.
    hardest = losses.masked_fill(~mask, -1.0).flatten().topk(min(keep, mask.numel())).values
    return torch.where(hardest >= 0, hardest, 0.0).sum() / mask.sum().clamp(1, keep)


def preference_loss(scores: Tensor, mos: Tensor, deviation: float) -> Tensor:
    """Cross-entropy of the network's preferences against people's, over all pairs of one set of scored images.

    A rater prefers image i to image j with the probability Φ((mos_i − mos_j) / deviation) (Thurstone's case V); the
    network says σ(score_i − score_j). Only differences count, so nothing pins the scale of the scores, and sets with
    other scales can be learned together, each in a call of its own: a pair of two sets has no meaning.

    Args:
        scores: (N,) network outputs, higher is better.
        mos: (N,) human scores of one set, higher is better.
        deviation: > 0, in the unit of `mos`: the standard deviation of a difference between two ratings. The smaller,
            the surer are people.

    Returns:
        A scalar, the mean over the N·(N − 1)/2 pairs; 0, and no gradient, for fewer than two images. Its least value is
        the mean entropy of people's preferences, not 0.

    Raises:
        ValueError: shapes that differ, a deviation that is not positive.

    Sources: Thurstone, "A law of comparative judgment", 1927; pairs inside a set only, as in Zhang et al.,
    "Uncertainty-aware blind image quality assessment in the laboratory and wild" (UNIQUE), IEEE TIP 2021.

    >>> preference_loss(torch.tensor([0.0, 0.0]), torch.tensor([3.0, 1.0]), deviation=1.0)
    tensor(0.6931)
    """
    if scores.ndim != 1 or scores.shape != mos.shape:
        raise ValueError(f"scores and mos must both be (N,), got {tuple(scores.shape)} and {tuple(mos.shape)}")
    if not deviation > 0:
        raise ValueError(f"deviation must be > 0, got {deviation}")
    preferred = torch.special.ndtr((mos[:, None] - mos[None, :]) / deviation).to(scores.dtype)
    difference = scores[:, None] - scores[None, :]
    losses = F.binary_cross_entropy_with_logits(difference, preferred, reduction="none")
    n = len(scores)
    # (i, j) and (j, i) cost the same; an image beside itself, on the diagonal, is no pair.
    total = torch.where(torch.eye(n, dtype=torch.bool, device=scores.device), 0.0, losses).sum()
    return total / max(1, n * (n - 1))


def voted_loss(scores: Tensor, weight: Tensor, steepness: float = 1.0) -> Tensor:
    """Cross-entropy of the network's preferences against votes as they are: the mean of softplus(−steepness · (b − w)).

    It is `pairwise_logistic` of pairs that people ordered. A tie is both orders, each at half a weight.

    Args:
        scores: (2P,) network outputs, higher is better: of each vote the better image, then the worse one.
        weight: (2P,) ≥ 0, that of the vote at both.
        steepness: > 0; a difference of scores d means that σ(steepness · d) prefer the one.

    Returns:
        A scalar, the mean by weight; 0 for no weight.

    Raises:
        ValueError: an odd number of scores, shapes that differ, a steepness that is not positive.

    >>> voted_loss(torch.tensor([0.0, 0.0, 1.0, 0.0]), torch.tensor([1.0, 1.0, 0.0, 0.0]))
    tensor(0.6931)
    """
    if scores.ndim != 1 or len(scores) % 2 or scores.shape != weight.shape:
        raise ValueError(f"scores and weight must both be (2P,), got {tuple(scores.shape)} and {tuple(weight.shape)}")
    if not steepness > 0:
        raise ValueError(f"steepness must be > 0, got {steepness}")
    better, worse = scores.view(-1, 2).unbind(1)
    losses = F.softplus(-steepness * (better - worse))
    each = weight.view(-1, 2)[:, 0].to(losses)
    return (each * losses).sum() / each.sum().clamp(min=torch.finfo(losses.dtype).tiny)


@dataclass(frozen=True)
class PairStatistics:
    """Of one batch: the ordered pairs, and which share of them is in order or still active in the loss.

    Attributes:
        pairs: how many there are.
        ordered: share, [0, 1], whose better image has the higher score; a tie is not in order.
        active: share, [0, 1], with a loss: less than the margin apart, or the wrong way round.
        judged: share, [0, 1], whose order is the judge's; that of the others is the level's. All three are NaN without
            pairs.
    """

    pairs: int
    ordered: float
    active: float
    judged: float = 0.0


@torch.no_grad()
def pair_statistics(
    scores: Tensor,
    group: Tensor,
    level: Tensor,
    margin: float,
    quality: Tensor | None = None,
    gap: float = 0.0,
) -> PairStatistics:
    """Count the ordered pairs, the share scored in the right order (a tie is not), with a loss, and from the judge.

    `margin` is the hinge's; the logistic loss has an infinite one, as each of its pairs has a loss.
    """
    mask = ordered_pairs(group, level, quality, gap)
    difference = scores[:, None] - scores[None, :]
    pairs = int(mask.sum())
    if not pairs:
        return PairStatistics(0, float("nan"), float("nan"), float("nan"))
    return PairStatistics(
        pairs,
        float((mask & (difference > 0)).sum()) / pairs,
        float((mask & (difference < margin)).sum()) / pairs,
        0.0 if quality is None else 1 - int(ordered_pairs(group, level).sum()) / pairs,
    )


def emd(prediction: Tensor, target: Tensor, r: float = 2.0) -> Tensor:
    """The earth mover's distance between two distributions of votes, an image each.

    (mean over the bins of |CDF − CDF|^r)^(1/r). Where both are equal, the derivative is zero: that of the root alone
    would be infinite.

    Args:
        prediction: (N, K) shares that sum to 1, of the votes 1 … K.
        target: (N, K) likewise.
        r: ≥ 1, finite. NIMA trains with 2, which is smooth, and reports 1.

    Returns:
        (N,) distances in [0, 1]; 0 is the same distribution.

    Raises:
        ValueError: shapes that differ, an `r` below 1 or infinite.

    Source: Talebi, Milanfar, "NIMA: Neural Image Assessment", IEEE TIP 2018, eq. 1.

    >>> emd(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]]), r=1)
    tensor([0.6667])
    """
    if prediction.ndim != 2 or prediction.shape != target.shape:
        raise ValueError(
            f"prediction and target must both be (N, K), got {tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    if not 1 <= r < float("inf"):
        raise ValueError(f"r must be ≥ 1 and finite, got {r}")
    difference = (prediction.cumsum(1) - target.cumsum(1)).abs()
    if r == 1:
        return difference.mean(1)
    # In units of the largest difference no power underflows. Where that is zero, the root must not see it, not even in
    # the branch that is thrown away: 0 · ∞ would be NaN in the gradient. A NaN stays one.
    largest = difference.detach().amax(1)
    away = largest != 0
    unit = torch.where(away, largest, 1.0)
    mean = ((difference / unit[:, None]) ** r).mean(1)
    return torch.where(away, unit * torch.where(away, mean, 1.0) ** (1 / r), 0.0)


def contrastive(first: Tensor, second: Tensor, same: Tensor, margin: float = 1.0, eps: float = 1e-7) -> Tensor:
    """Contrastive loss of pairs of scores: near each other where the pair is the same, `margin` apart where not.

    mean of y·d² + (1 − y)·max(0, margin − d)², where d = sqrt(max((first − second)², eps)). It tells apart, but does
    not say which is better; see `pairwise_hinge` for that.

    Args:
        first: (P,) scores.
        second: (P,) scores of their partners.
        same: (P,) 1 where both images are of one bucket, 0 where not.
        margin: in the unit of the scores, ≥ 0.
        eps: keeps the root's derivative finite; below it there is none.

    Returns:
        A scalar, ≥ 0.

    Raises:
        ValueError: shapes that differ, a negative margin.

    Source: Hadsell, Chopra, LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006; as used by
    Siamese NIMA on the mean votes.
    """
    if not first.shape == second.shape == same.shape or first.ndim != 1:
        raise ValueError("first, second and same must all be (P,)")
    if not margin >= 0:
        raise ValueError(f"margin must be ≥ 0, got {margin}")
    d = distance(first, second, eps)
    return (same * d**2 + (1 - same) * (margin - d).clamp(min=0) ** 2).mean()


def distance(first: Tensor, second: Tensor, eps: float = 1e-7) -> Tensor:
    """(P,) sqrt(max((first − second)², eps)) of two (P,) scores."""
    return ((first - second) ** 2).clamp(min=eps).sqrt()
