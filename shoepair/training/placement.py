"""Which device a model is trained on."""

from __future__ import annotations

import torch
from torch import nn

from shoepair.models.base import Threshold


def placed(model: nn.Module, device: torch.device) -> torch.device:
    """Put a model on a device; what counts colours stays on the processor, in double precision.

    Returns:
        Where it is.
    """
    where = torch.device("cpu") if isinstance(model, Threshold) else device
    model.to(where)
    return where
