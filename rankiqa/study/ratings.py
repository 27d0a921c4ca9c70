"""Ratings from 1 to 5: what each rater adds to all of them, how far they scatter, and the quality that is left.

The subject model of ITU-T P.910 (10/2023), Annex E, and P.913, 12.6: a rating is quality + bias of the rater +
inconsistency of the rater × noise. It is Li et al., "A simple model for subject behavior in subjective experiments"
(Human Vision and Electronic Imaging 2020), solved by their alternating projection. sureal, their library, reads its
data as Python code, writes its progress to the output and has no prior; the tests compare with its numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_STEPS, _CLOSE = 1000, 1e-8
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
