"""Networks that score images: (N, 3, H, W) RGB in [0, 1] → (N,), higher is better."""

from rankiqa.models.build import ARCHITECTURES, build_model
from rankiqa.models.checkpoint import load_model, save_model
from rankiqa.models.nima import Nima, build_nima
from rankiqa.models.preprocessing import PREPROCESSING, Preprocessing
from rankiqa.models.rank_model import RankModel

__all__ = [
    "ARCHITECTURES",
    "PREPROCESSING",
    "Nima",
    "Preprocessing",
    "RankModel",
    "build_model",
    "build_nima",
    "load_model",
    "save_model",
]
