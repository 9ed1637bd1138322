"""Cross-validation: nobody is judged by a model that saw them, and nothing is trained twice."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoepair.commands import grid_search
from shoepair.runtime.errors import ShoepairError
from shoepair.training import crossval


@given(st.integers(4, 60), st.integers(2, 5), st.integers(0, 3))
def test_folds_are_of_equal_size_and_dealt_anew_each_time(students: int, folds: int, repeat: int) -> None:
    names = [f"a/u{number}" for number in range(students)]
    if students < 2 * folds:
        with pytest.raises(ShoepairError, match=f"{students} students in train and valid, expected {2 * folds}"):
            crossval.deal(names, folds, repeat)
        return
    dealt = crossval.deal(names, folds, repeat)
    sizes = Counter(dealt.values())
    assert len(dealt) == students
    assert max(sizes.values()) - min(sizes.values()) <= 1
    assert crossval.deal(names[::-1], folds, repeat) == dealt
    assert students < 12 or crossval.deal(names, folds, repeat + 1) != dealt


def test_commas_within_a_list_or_quotes_are_no_grid() -> None:
    assert grid_search.grid([]) == [{}]
    assert grid_search.grid(["models=[cnn, siamese]", 'split.salt="a,b"', "lr=1,1"]) == [
        {"models": "[cnn, siamese]", "split.salt": '"a,b"', "lr": "1"}
    ]
    assert grid_search.grid(["lr=1", "lr=2, 1"]) == [{"lr": "1"}, {"lr": "2"}]
