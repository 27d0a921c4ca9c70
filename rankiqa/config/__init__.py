"""The settings of a run, typed: what a YAML file or a flag may say, and nothing else. One file a stage."""

from rankiqa.config.common import OptimConfig, RunConfig, at_least, one_of
from rankiqa.config.finetuning import BranchConfig, FinetuneConfig, RegressionConfig
from rankiqa.config.joint import JointConfig, JointSetConfig, PeopleConfig
from rankiqa.config.nima import (
    EmdConfig,
    NimaConfig,
    NimaModelConfig,
    PairBatchConfig,
    PairLossConfig,
    SiameseNimaConfig,
    VotesConfig,
)
from rankiqa.config.ranking import (
    JudgeConfig,
    RankBatchConfig,
    RankConfig,
    RankDataConfig,
    RankLossConfig,
    RankModelConfig,
)
from rankiqa.config.scores import ScoredBatchConfig, ScoredDataConfig, ScoresConfig

# The settings of the stages that learn from human scores.
ScoredRunConfig = FinetuneConfig | NimaConfig | SiameseNimaConfig

__all__ = [
    "BranchConfig",
    "EmdConfig",
    "FinetuneConfig",
    "JointConfig",
    "JointSetConfig",
    "JudgeConfig",
    "NimaConfig",
    "NimaModelConfig",
    "OptimConfig",
    "PairBatchConfig",
    "PairLossConfig",
    "PeopleConfig",
    "RankBatchConfig",
    "RankConfig",
    "RankDataConfig",
    "RankLossConfig",
    "RankModelConfig",
    "RegressionConfig",
    "RunConfig",
    "ScoredBatchConfig",
    "ScoredDataConfig",
    "ScoredRunConfig",
    "ScoresConfig",
    "SiameseNimaConfig",
    "VotesConfig",
    "at_least",
    "one_of",
]
