"""What a model says of pairs: each answer at its place, the work dealt among ranks, the table of scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from shoepair.data import pair_dataset, pairs, schemas
from shoepair.models import distributed, inference
from shoepair.models.base import Model
from shoepair.models.cnn import CNN
from shoepair.models.histogram import Histogram

EDGE = 32


def class_of(students: int) -> pair_dataset.PairData:
    photos = np.random.default_rng(3).integers(0, 256, (students, 3, 2, EDGE, EDGE, 3), np.uint8)
    return pair_dataset.from_arrays(photos)


class Means(nn.Module):
    """Logits are the mean of the upper and that of the lower half: no model of this project."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([half.mean((1, 2, 3)) for half in x.chunk(2, dim=2)], dim=1)


def test_any_module_gets_pair_images_the_left_shoe_above_the_right_one() -> None:
    data = class_of(2)
    (shoes,) = data.pairs([torch.tensor([4, 1])])
    found = inference.pair_logits(Means(), shoes)
    torch.testing.assert_close(found, torch.stack([shoes[:, 0, side].mean((1, 2, 3)) for side in (0, 1)], dim=1))


@pytest.mark.parametrize("size", [1, 4, 64])
def test_every_pair_has_its_own_answer_whatever_the_batch_size(size: int) -> None:
    data, model = class_of(3), Means().train()
    found = inference.logits(model, data, size)
    assert found.shape == (18, 2)
    assert found.dtype == torch.float32
    means = pair_dataset.floats(data.images).mean((3, 4, 5))
    wanted = [[means[student, left, 0], means[student, right, 1]] for student, left, right in data.shoes.tolist()]
    torch.testing.assert_close(found, torch.tensor(wanted), atol=1e-6, rtol=0)
    assert not model.training
    assert not found.requires_grad


class Says(nn.Module):
    """Calls every pair the same way."""

    def __init__(self, same: float) -> None:
        super().__init__()
        self.same = same

    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor([[0.0, self.same]]).repeat(len(x), 1)


@pytest.mark.parametrize(("says", "expected"), [(1.0, (1.0, 0.0)), (-1.0, (0.0, 1.0)), (0.0, (0.0, 1.0))])
def test_accuracies_of_who_always_says_the_same(says: float, expected: tuple[float, float]) -> None:
    assert inference.accuracies(Says(says), class_of(1)) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_ranks_work_each_batch_once_and_their_sum_is_the_whole(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = list(torch.split(torch.randperm(10, generator=torch.Generator().manual_seed(1)), 3))
    worked: list[list[int]] = []

    def shoes_of(which: Iterable[Tensor]) -> Iterator[Tensor]:
        for numbers in which:
            worked.append(numbers.tolist())
            yield numbers

    def work(numbers: Tensor) -> Tensor:
        return torch.stack([numbers, numbers * numbers], dim=1).double()

    like = torch.zeros(2, dtype=torch.float64)
    monkeypatch.setattr(distributed, "summed", lambda tensor: tensor)  # each rank's own part
    monkeypatch.setattr(distributed, "size", lambda: size)
    total = torch.zeros(10, 2, dtype=torch.float64)
    for rank in range(size):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        total += inference.map_batches(plan, shoes_of, work, like)
    assert sorted(worked) == sorted(which.tolist() for which in plan)
    assert torch.equal(total, work(torch.cat(plan))), "rows in the order of the plan"


def test_nothing_to_do_gives_no_rows() -> None:
    found = inference.map_batches([], lambda plan: plan, lambda shoes: shoes, torch.zeros(3, 3, 2))
    assert found.shape == (0, 3, 3, 2)


def test_scores_are_a_row_for_each_model_and_pair_same_minus_different() -> None:
    split = pd.DataFrame({"batch": "a", "student": ["u1", "u2"], "row": [0, 1], "split": "valid"})
    nine = pairs.build(split)
    rows = nine[nine["standard"]].reset_index(drop=True)
    data = class_of(2)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        models: dict[str, Model] = {"histogram": Histogram(edge=EDGE), "cnn": CNN(n=2, edge=EDGE // 2).eval()}
    found = schemas.Scores.validate(inference.score(models, rows, data))
    assert list(found["model"]) == ["histogram"] * 12 + ["cnn"] * 12
    for name, model in models.items():
        small = data.at(model.config.edge)
        with torch.inference_mode():
            different, same = model(small.batch(torch.arange(12))[0]).unbind(1)
        mine = found[found["model"] == name]
        np.testing.assert_allclose(mine["logit"], (same - different).numpy(), atol=1e-5)
        assert mine[list(rows.columns)].equals(schemas.Pairs.validate(rows))
