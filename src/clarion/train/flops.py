"""How many floating-point operations something costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class _Counter(TorchDispatchMode):
    """Adds up torch's formulas; its own `FlopCounterMode` cannot follow a gradient's gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=result)
        return result


def count_flops(work: Callable[[], object]) -> int:
    """Operations in the matrix products, convolutions and attentions of some work.

    A product and a sum count as two.
    """
    with _Counter() as counter:
        work()
    return counter.total
