"""What a model says of pairs: logits and accuracies, in inference mode, without building arrays of pair images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shoepair.networks import Model
from shoepair.pairing import Pairing

SCORED = 64  # pairs scored at a time; no result depends on it beyond rounding


def answers(model: nn.Module, shoes: Tensor) -> Tensor:
    """Logits of all combinations of the groups' shoes: (G, L, 2, S, S, 3) to (G L L, 2)."""
    if isinstance(model, Model):
        return model.combinations(shoes).flatten(0, 2)
    got: Tensor = model(shoes.flatten(1, 3).movedim(3, 1))  # another module gets pair images
    return got


def logits(model: nn.Module, data: Pairing, batch_size: int = SCORED) -> Tensor:
    """The model's answer to every pair: (P, 2) float32 on the CPU, different and same."""
    model.eval()
    with torch.inference_mode():
        if isinstance(model, Model) and model.whole_students:
            students = torch.split(torch.arange(int(data.shoes[:, 0].max()) + 1), max(1, batch_size // 6))
            nine = torch.cat([model.combinations(shoes) for shoes in data.students(students)])  # (N, 3, 3, 2)
            found = nine[tuple(data.shoes.to(nine.device).unbind(1))]
        else:
            plan = torch.split(torch.arange(len(data.same)), batch_size)
            found = torch.cat([answers(model, shoes) for shoes in data.pairs(plan)])
    return found.to("cpu", torch.float32)


def accuracies(model: nn.Module, data: Pairing, batch_size: int = SCORED) -> tuple[float, float]:
    """Positive and negative accuracy: the share of same pairs called same, of different ones called different."""
    called_same = logits(model, data, batch_size).argmax(1) == 1
    right = called_same == (data.same == 1)
    return right[data.same == 1].double().mean().item(), right[data.same == 0].double().mean().item()
