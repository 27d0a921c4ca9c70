"""RankIQA in PyTorch: make ranked images, train on the ranks, calibrate, score, report."""

__version__ = "0.1.0"
