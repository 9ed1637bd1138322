"""Tries of `benchmarks.drawn_to_real`: thresholds and labels that need no label of the class."""

from __future__ import annotations

import pytest
import torch

from benchmarks import drawn_to_real
from shoepair.models.pretrained import EfficientNetFrozen

LOGITS = torch.tensor([[[4.0, 1, 0], [5, 2, 0], [0, 1, -9]], [[-1, -9, -9], [-9, -9, -2], [-9, -1, -9]]]).double()


def test_best_assignment_takes_every_left_and_every_right_shoe_once() -> None:
    assigned = drawn_to_real.assign(LOGITS)
    assert assigned[0].nonzero().tolist() == [[0, 2], [1, 0], [2, 1]], "5 + 1 + 0, though 4 + 2 is the diagonal"
    assert assigned[1].nonzero().tolist() == [[0, 0], [1, 2], [2, 1]], "whatever the threshold"


def test_threshold_of_a_third_calls_a_third_same_and_that_of_strangers_as_many_as_among_drawn_ones() -> None:
    scores = torch.randn(20, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert int((drawn_to_real.a_third_is_same(scores + 7) > 0).sum()) == 60
    across, drawn_across = scores.flip(0) - 3, scores - 1
    moved = drawn_to_real.as_rare_across_students(across, across, drawn_across)
    assert int((moved > 0).sum()) == pytest.approx(int((drawn_across > 0).sum()), abs=1)


def test_students_are_scored_by_regressions_that_were_fitted_to_the_assignments_of_others() -> None:
    generator = torch.Generator().manual_seed(2)
    numbers = torch.randn(20, 3, 3, 2, 4, generator=generator, dtype=torch.float64)
    same = torch.eye(3).bool().expand(20, 3, 3)
    numbers[..., 0] += 4 * same.unsqueeze(3)
    students = [f"a/u{number}" for number in range(20)]
    logits = drawn_to_real.learn_from_assignments(numbers, same, students)
    assert ((logits > 0) == same).double().mean() > 0.95
    changed = same.clone()
    changed[0] = changed[0].roll(1, 0)
    again = drawn_to_real.learn_from_assignments(numbers, changed, students)
    assert torch.equal(again[0], logits[0]), "its own assignment is not learnt from"
    assert not torch.equal(again[1:], logits[1:])


def test_standardised_over_a_reference_no_shift_of_all_numbers_counts() -> None:
    model = EfficientNetFrozen.__new__(EfficientNetFrozen)
    torch.nn.Module.__init__(model)
    model.mean, model.deviation, model.comparison = torch.zeros(4), torch.ones(4), torch.nn.Linear(4, 1)
    numbers = torch.randn(5, 3, 3, 2, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    moved = 3 * numbers + 2
    assert not torch.allclose(drawn_to_real.logits_of(model, moved), drawn_to_real.logits_of(model, numbers))
    first, second = (drawn_to_real.logits_of(model, each, each) for each in (numbers, moved))
    assert torch.allclose(first, second)
