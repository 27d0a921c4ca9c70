"""Networks that score images: (N, 3, H, W) RGB in [0, 1] → (N,), higher is better.

By file: `build` has the networks by name (of `shallow`, `alexnet_caffe`, `mobilenet_keras`, torchvision and
timm) and their weights, `statistics` those that are judged at every stage; `rank_model` and `nima` what such a network
is as a model, with its `preprocessing`; `checkpoint` and `config_file` the model on disk, `locate` where it lies,
`model_card` its README; `reference` what its scores mean; `freezing` and `keras_layers` what is kept in training;
`parts` how it is taken apart for dense scores, `folding` how it is made faster for scoring.
"""

from typing import TYPE_CHECKING

from rankiqa.lazy import on_demand

if TYPE_CHECKING:
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

__getattr__ = on_demand(
    __name__,
    {
        "build": ("ARCHITECTURES", "build_model"),
        "checkpoint": ("load_model", "save_model"),
        "nima": ("Nima", "build_nima"),
        "preprocessing": ("PREPROCESSING", "Preprocessing"),
        "rank_model": ("RankModel",),
    },
)
