"""The settings of a run, typed: what a YAML file or a flag may say, and nothing else. One file a stage."""

from rankiqa.config.common import OptimConfig, RunConfig, at_least, one_of
from rankiqa.config.finetuning import BranchConfig, FinetuneConfig, RegressionConfig
from rankiqa.config.nima import (
    EmdConfig,
    NimaConfig,
    NimaModelConfig,
    PairBatchConfig,
    PairLossConfig,
    SiameseNimaConfig,
    VotesConfig,
)
from rankiqa.config.ranking import BatchConfig, DataConfig, LossConfig, ModelConfig, RankConfig
from rankiqa.config.scores import ScoredBatchConfig, ScoredDataConfig, ScoresConfig

__all__ = [
    "BatchConfig",
    "BranchConfig",
    "DataConfig",
    "EmdConfig",
    "FinetuneConfig",
    "LossConfig",
    "ModelConfig",
    "NimaConfig",
    "NimaModelConfig",
    "OptimConfig",
    "PairBatchConfig",
    "PairLossConfig",
    "RankConfig",
    "RegressionConfig",
    "RunConfig",
    "ScoredBatchConfig",
    "ScoredDataConfig",
    "ScoresConfig",
    "SiameseNimaConfig",
    "VotesConfig",
    "at_least",
    "one_of",
]
