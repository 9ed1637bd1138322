"""Several ranks train what one process trains: the same batches, the same sums, one file, one message."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shoepair.models import devices, distributed
from shoepair.runtime import parallel
from shoepair.runtime.errors import ShoepairError
from shoepair.training import sharding


def told(logs: Path) -> list[str]:
    """What the ranks themselves have printed to stderr."""
    return "".join(path.read_text() for path in logs.rglob("stderr.log")).splitlines()


@given(st.lists(st.integers(0, 1), min_size=1), st.integers(1, 5))
def test_batch_is_dealt_evenly_by_kinds(labels: list[int], size: int) -> None:
    kinds = torch.tensor(labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "size", lambda: size)
        dealt = []
        for number in range(size):
            patch.setattr(distributed, "rank", lambda number=number: number)
            dealt.append(sharding.dealt(kinds).rows)
    assert torch.cat(dealt).sort().values.tolist() == list(range(len(labels))), "each row once"
    for kind in (0, 1):
        counts = [int((kinds[rows] == kind).sum()) for rows in dealt]
        assert max(counts) - min(counts) <= 1
    assert all(rows.equal(rows.sort().values) for rows in dealt)


def test_share_takes_its_rows_of_what_was_drawn_for_all() -> None:
    share = sharding.Share(torch.tensor([1, 3]), 4)
    assert share.of(torch.arange(8)).tolist() == [2, 3, 6, 7]
    assert sharding.whole(4).of(torch.arange(8)).tolist() == list(range(8))


def test_device_that_cannot_sum_is_refused_for_several_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "size", lambda: 2)
    with pytest.raises(ShoepairError, match=r"^train.device: mps, which cannot sum what 2 ranks have worked out\n"):
        devices.chosen("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.chosen("auto").type == "cpu"


def test_ranks_on_devices_of_different_kinds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "told", lambda _content: b"cuda")
    with pytest.raises(ShoepairError, match=r"^train.device: this rank has chosen cpu, the first one cuda\n"):
        devices.agreed(torch.device("cpu"))
    assert devices.agreed(torch.device("cuda")).type == "cuda"


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("two", "SHOEPAIR_RANKS=two: expected a number of processes, 1 or more\nunset it"),
        ("0", "SHOEPAIR_RANKS=0: expected a number"),
        ("100000", "SHOEPAIR_RANKS=100000: this machine has [0-9]+ cores\nset SHOEPAIR_RANKS to fewer"),
    ],
)
def test_number_of_ranks_that_cannot_be_is_refused(number: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOEPAIR_RANKS", number)
    with pytest.raises(ShoepairError, match=message):
        parallel.together(list, "nothing", cores=1, gpus=False)
