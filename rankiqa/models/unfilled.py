"""Networks that are built to be loaded: their first weights are not drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# What fills a tensor at random, in place, and gives it back: its methods, and those initialisers of PyTorch that a mode
# sees whole. The others come to the methods.
_METHODS = ("bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_", "random_", "uniform_")
_INITIALISERS = (nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_)
_FILLS = frozenset({*(getattr(Tensor, name) for name in _METHODS), *_INITIALISERS})
# What makes a random tensor, and what makes one of that shape with whatever the memory holds.
_MAKERS: dict[Callable[..., Tensor], Callable[..., Tensor]] = {
    torch.rand: torch.empty,
    torch.randn: torch.empty,
    torch.rand_like: torch.empty_like,
    torch.randn_like: torch.empty_like,
}


class Unfilled(TorchFunctionMode):
    """While it lasts, and in this thread alone, no tensor is filled at random; constants and ranges are, as ever.

    A network that is built under it holds what the memory held, until its weights are loaded. The random state stays
    as it is. Beside the time of the draws it saves their imports: on the `meta` device PyTorch computes them in
    Python, for which it brings its compiler in.

    >>> state = torch.get_rng_state()
    >>> with torch.device("meta"), Unfilled():
    ...     layer = nn.Linear(3, 2)
    >>> layer.weight.shape, torch.equal(state, torch.get_rng_state())
    (torch.Size([2, 3]), True)
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Give the tensor back where `func` would fill it; else what `func` gives."""
        kwargs = dict(kwargs or {})
        if func in _FILLS:
            return args[0] if args else kwargs["tensor"]
        if func in _MAKERS:
            kwargs.pop("generator", None)
            func = _MAKERS[func]
        return func(*args, **kwargs)
