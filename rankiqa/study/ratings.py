"""Ratings from 1 to 5: what each rater adds to all of them, how far they scatter, and the quality that is left.

The subject model of ITU-T P.910 (10/2023), Annex E, and P.913, 12.6: a rating is quality + bias of the rater +
inconsistency of the rater × noise. It is Li et al., "A simple model for subject behavior in subjective experiments"
(Human Vision and Electronic Imaging 2020), solved by their alternating projection. sureal, their library, reads its
data as Python code, writes its progress to the output and has no prior; the tests compare with its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rankiqa.seeding import generator
from rankiqa.study.posterior import chance_in_order

USUAL, USUAL_RATINGS = 0.7, 5.0  # a rater's inconsistency in points, before his ratings say otherwise
_STEPS, _CLOSE = 1000, 1e-8
_ALL_PAIRS, _SAMPLE = 300, 20_000  # photos up to which every pair is looked at, and pairs of more
_LEAST = 1e-8  # variance of a rater who never scatters, so that it has a weight


@dataclass(frozen=True)
class SubjectModel:
    """What ratings say of photos and raters.

    Attributes:
        quality: (photos,) on the scale of the ratings; NaN for a photo that nobody rated.
        error: (photos,) its standard error.
        bias: (raters,) what a rater adds to every rating, 0 in the mean.
        inconsistency: (raters,) the standard deviation of a rater's noise.
    """

    quality: np.ndarray
    error: np.ndarray
    bias: np.ndarray
    inconsistency: np.ndarray


def subject_model(
    photo: np.ndarray, rater: np.ndarray, score: np.ndarray, usual: float = 0.0, usual_ratings: float = 0.0
) -> SubjectModel:
    """Fit the model to (m,) ratings.

    Args:
        photo: (m,) numbers from 0.
        rater: (m,) numbers from 0; each has a rating.
        score: (m,).
        usual: inconsistency that a rater is taken to have before his ratings say otherwise.
        usual_ratings: how many ratings that counts as. 0 is the model of P.910, in which one rater of two or three
            easily becomes one who never errs.
    """
    photos, raters = int(photo.max()) + 1, int(rater.max()) + 1
    rated, own = np.bincount(photo, minlength=photos), np.bincount(rater, minlength=raters)
    with np.errstate(invalid="ignore"):
        quality = np.bincount(photo, score, photos) / rated
        bias = np.bincount(rater, score - quality[photo], raters) / own
        for _ in range(_STEPS):
            before, rest = quality, score - quality[photo] - bias[rater]
            mean = np.bincount(rater, rest, raters) / own
            scatter = np.bincount(rater, (rest - mean[rater]) ** 2, raters)
            variance = (scatter + usual_ratings * usual**2) / (own + usual_ratings)
            weight = 1 / (variance[rater] + _LEAST)
            total = np.bincount(photo, weight, photos)
            quality = np.bincount(photo, weight * (score - bias[rater]), photos) / total
            bias = np.bincount(rater, score - quality[photo], raters) / own
            if np.nansum((quality - before) ** 2) < _CLOSE**2:
                break
    shift = bias.mean()
    with np.errstate(divide="ignore"):
        error = 1 / np.sqrt(total)
    return SubjectModel(quality + shift, error, bias - shift, np.sqrt(variance))


def certainty(photo: np.ndarray, rater: np.ndarray, score: np.ndarray, photos: int) -> float | None:
    """The probability that the mean ratings have a pair in the right order, as the mean of all pairs: .5 to 1.

    A rating is taken as quality + bias of the rater + noise (two-way analysis of variance), and qualities as normal,
    with what they differ by beyond their errors. The noise is one for all raters: of two or three the subject model
    makes one that never errs, and the order surer than it is.

    Args:
        photo: (m,) numbers from 0.
        rater: (m,) numbers from 0; each has a rating.
        score: (m,).
        photos: how many there are; those that nobody rated are among the pairs.

    Returns:
        None where there are too few ratings to tell noise from quality.
    """
    rated, own = np.bincount(photo, minlength=photos), np.bincount(rater)
    there, free = rated > 0, len(score) - np.count_nonzero(rated) - len(own) + 1
    if free <= 0:
        return None
    bias = np.zeros(len(own))
    for _ in range(_STEPS):
        before, quality = bias, np.bincount(photo, score - bias[rater], photos) / np.maximum(rated, 1)
        bias = np.bincount(rater, score - quality[photo]) / own
        if np.sum((bias - before) ** 2) < _CLOSE**2:
            break
    noise = float(np.sum((score - quality[photo] - bias[rater]) ** 2)) / free
    error = noise / rated[there]
    spread = max(float(np.var(quality[there], ddof=1) - np.mean(error)), 1e-9)  # of the qualities themselves
    mean, variance = np.zeros(photos), np.full(photos, spread)
    mean[there] = (quality[there] - quality[there].mean()) * spread / (spread + error)
    variance[there] = spread * error / (spread + error)
    if photos > _ALL_PAIRS:
        draw = generator(0, "pairs")
        left = draw.integers(0, photos, _SAMPLE)
        right = (left + draw.integers(1, photos, _SAMPLE)) % photos
    else:
        left, right = np.triu_indices(photos, 1)
    variance = np.maximum(variance, 1e-12)
    return float(chance_in_order(mean[left] - mean[right], variance[left] + variance[right]).mean())
