"""The losses. For ranking, each image passes the network once, then all ordered pairs of the batch are compared.

A pair is ordered when both images belong to one group (a distortion type, say) and their levels differ;
the lower level is the better image. The pairs come from `group` and `level` alone, so any order and any
size of the batch will do.

Source: Liu, van de Weijer, Bagdanov, "RankIQA", ICCV 2017, eq. 1 and section 3.3 (efficient Siamese
back-propagation). The two losses of NIMA and Siamese NIMA, below, say their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

REDUCTIONS = ("images", "pairs", "none")


def ordered_pairs(group: Tensor, level: Tensor) -> Tensor:
    """Which pairs of the batch have a known order.

    Args:
        group: (N,) integers; only images of one group are compared.
        level: (N,) numbers; 0 is pristine, a higher level is worse.

    Returns:
        (N, N) booleans; entry (i, j) says that image i is the better one of an ordered pair.

    >>> ordered_pairs(torch.tensor([0, 0, 1]), torch.tensor([0, 2, 1])).nonzero().tolist()
    [[0, 1]]
    """
    if group.ndim != 1 or group.shape != level.shape:
        raise ValueError(f"group and level must both be (N,), got {tuple(group.shape)} and {tuple(level.shape)}")
    return (group[:, None] == group[None, :]) & (level[:, None] < level[None, :])


def pairwise_hinge(
    scores: Tensor, group: Tensor, level: Tensor, margin: float = 1.0, reduction: str = "pairs"
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
            `ordered_pairs(group, level).nonzero()`.

    Returns:
        A scalar ("none": (P,)). Without any ordered pair the loss is 0 and its gradient too.

    Raises:
        ValueError: shapes that differ, a negative margin, an unknown reduction.

    >>> scores = torch.tensor([2.0, 1.5, 3.0])
    >>> pairwise_hinge(scores, torch.tensor([0, 0, 0]), torch.tensor([0, 1, 2]), margin=1.0)
    tensor(1.6667)
    """
    if scores.shape != group.shape:
        raise ValueError(f"scores must be (N,) like group {tuple(group.shape)}, got {tuple(scores.shape)}")
    if not margin >= 0:
        raise ValueError(f"margin must be ≥ 0, got {margin}")
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}")
    mask = ordered_pairs(group, level)
    # Entry (i, j): f(j) − f(i) + margin, where i is the better one.
    hinge = (scores[None, :] - scores[:, None] + margin).clamp(min=0)
    if reduction == "none":
        return hinge[mask]
    # A sum under a mask keeps the shape static: no index list, no wait for the device.
    total = torch.where(mask, hinge, 0.0).sum()
    return total / (len(scores) if reduction == "images" else mask.sum().clamp(min=1))


def hardest_pairs_hinge(scores: Tensor, group: Tensor, level: Tensor, margin: float = 1.0, keep: int = 1) -> Tensor:
    """The mean hinge loss of the `keep` ordered pairs with the largest loss: hard-negative mining.

    Args:
        scores: (N,) network outputs, higher is better.
        group: (N,) see `ordered_pairs`.
        level: (N,) see `ordered_pairs`.
        margin: as for `pairwise_hinge`, in the unit of the scores, ≥ 0.
        keep: how many pairs, ≥ 1; with fewer ordered pairs all are taken.

    Returns:
        A scalar; without any ordered pair it is 0, and its gradient too.

    Raises:
        ValueError: as for `pairwise_hinge`, and for a `keep` below 1.

    Source: the RankIQA paper's baseline for its sampling experiment (pairs of the batch with the largest loss).
    """
    if keep < 1:
        raise ValueError(f"keep must be ≥ 1, got {keep}")
    losses = pairwise_hinge(scores, group, level, margin, reduction="none")
    if not len(losses):
        return scores.sum() * 0
    return losses.topk(min(keep, len(losses))).values.mean()


@dataclass(frozen=True)
class PairStatistics:
    """Of one batch: the ordered pairs, and which share of them is in order or still active in the loss.

    Attributes:
        pairs: how many there are.
        ordered: share, [0, 1], whose better image has the higher score; a tie is not in order.
        active: share, [0, 1], with a loss: less than the margin apart, or the wrong way round. Both are NaN without
            pairs.
    """

    pairs: int
    ordered: float
    active: float


@torch.no_grad()
def pair_statistics(scores: Tensor, group: Tensor, level: Tensor, margin: float) -> PairStatistics:
    """Count the ordered pairs, the share scored in the right order (a tie is not) and the share with a loss."""
    mask = ordered_pairs(group, level)
    difference = scores[:, None] - scores[None, :]
    pairs = int(mask.sum())
    if not pairs:
        return PairStatistics(0, float("nan"), float("nan"))
    return PairStatistics(
        pairs,
        float((mask & (difference > 0)).sum()) / pairs,
        float((mask & (difference < margin)).sum()) / pairs,
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
