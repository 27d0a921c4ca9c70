"""The outputs of all processes, with the gradient of this one's."""

from __future__ import annotations

import torch

from rankiqa.extras import extra

with extra("train"):
    from accelerate import Accelerator


def all_scores(local: torch.Tensor, count: int, accelerator: Accelerator) -> torch.Tensor:
    """The (count, …) outputs of the whole batch; only this process's own carry a gradient.

    Process r has images r, r + P, r + 2P, … of the batch. Each process computes the loss of the whole batch; the
    derivative by its own scores is exact with the others as constants, and the sum over processes is the gradient of
    the whole loss. So several devices train as one would, pairs between devices included.
    """
    processes, rank = accelerator.num_processes, accelerator.process_index
    if processes == 1:
        return local
    longest = -(-count // processes)
    padded = local.new_zeros((longest, *local.shape[1:]))
    padded[: len(local)] = local.detach()
    gathered = accelerator.gather(padded).view(processes, longest, *local.shape[1:])
    gathered = gathered.transpose(0, 1).reshape(-1, *local.shape[1:])[:count].clone()
    gathered[rank::processes] = local
    return gathered
