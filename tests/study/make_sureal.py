"""Record what sureal says of simulated ratings: python tests/study/make_sureal.py tests/reference/sureal.json

Needs `pip install sureal==0.9.0`, in an environment of its own.
"""

import json
import sys
from types import SimpleNamespace

import numpy as np


def ratings_of_the_model() -> np.ndarray:
    """(photos, raters, 2) with gaps, a rater of much noise, and biases."""
    draw = np.random.default_rng(0)
    photos, raters = 20, 8
    quality, bias, noise = draw.uniform(1.3, 4.7, photos), draw.normal(0, 0.5, raters), draw.uniform(0.3, 0.9, raters)
    scores = quality[:, None, None] + bias[:, None] + noise[:, None] * draw.normal(size=(photos, raters, 2))
    scores = np.clip(np.round(scores), 1, 5)
    scores[:, 6] = draw.integers(1, 6, (photos, 2))
    scores[draw.random((photos, raters)) < 0.2, 1] = np.nan
    return scores


def ratings_to_screen() -> np.ndarray:
    """(photos, raters, 1): one rater presses anything, one adds 2."""
    draw = np.random.default_rng(1)
    scores = draw.uniform(1.5, 4.5, 60)[:, None] + 0.4 * draw.normal(size=(60, 25))
    scores = np.clip(np.round(scores), 1, 5)
    scores[:, 4] = draw.integers(1, 6, 60)
    scores[:, 9] = np.clip(scores[:, 9] + 2, 1, 5)
    return scores[:, :, None]


def rows(scores: np.ndarray) -> list[list[int]]:
    """Photo, rater and rating of each that is there."""
    return [[int(p), int(r), int(scores[p, r, k])] for p, r, k in np.argwhere(np.isfinite(scores))]


def numbers(values: np.ndarray) -> list[float | None]:
    """For JSON, which has no NaN."""
    return [float(value) if np.isfinite(value) else None for value in values]


def record() -> dict:
    """What sureal finds."""
    from sureal.subjective_model import SubjectiveModel, SubjectMLEModelProjectionSolver

    rated, screened = ratings_of_the_model(), ratings_to_screen()
    model = SubjectMLEModelProjectionSolver._run_modeling(SimpleNamespace(opinion_score_3darray=rated))
    screening = SubjectiveModel._get_opinion_score_3darray_with_preprocessing(
        SimpleNamespace(opinion_score_3darray=screened), subject_rejection=True
    )
    return {
        "what": "sureal 0.9.0 (Netflix) on simulated ratings; a row: photo, rater, rating",
        "command": "python tests/study/make_sureal.py tests/reference/sureal.json",
        "subject_model": {
            "ratings": rows(rated),
            "quality": numbers(model["quality_scores"]),
            "error": numbers(model["quality_scores_std"]),
            "bias": numbers(model["observer_bias"]),
            "inconsistency": numbers(model["observer_inconsistency"]),
        },
        "screening": {
            "ratings": rows(screened),
            "outside": numbers(screening["observer_rejected_1st_stats"]),
            "one_sided": numbers(screening["observer_rejected_2nd_stats"]),
            "rejected": screening["observer_rejected"],
        },
    }


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(record(), file, separators=(",", ":"))
