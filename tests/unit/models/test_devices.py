"""Which device a name stands for, on machines with and without accelerators."""

from __future__ import annotations

import pytest
import torch

from shoepair.models import devices, distributed
from shoepair.runtime.errors import ShoepairError


def machine(
    monkeypatch: pytest.MonkeyPatch, *, cuda: int = 0, mps: bool = False, ranks: int = 1, local: int = 0
) -> list[int]:
    """A machine of so many accelerators, this process one of its ranks; the accelerators that it takes are noted."""
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(distributed, "size", lambda: ranks)
    monkeypatch.setattr(distributed, "local", lambda: local)
    return taken


@pytest.mark.parametrize(
    ("cuda", "mps", "ranks", "expected"),
    [(0, False, 1, "cpu"), (0, True, 1, "mps"), (1, True, 1, "cuda"), (0, True, 2, "cpu"), (2, True, 2, "cuda")],
)
def test_auto_takes_the_best_that_is_there(
    monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool, ranks: int, expected: str
) -> None:
    machine(monkeypatch, cuda=cuda, mps=mps, ranks=ranks)
    assert devices.chosen("auto") == torch.device(expected)
    assert devices.chosen("cpu") == torch.device("cpu")


def test_each_rank_takes_an_accelerator_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = machine(monkeypatch, cuda=4, ranks=3, local=2)
    assert devices.chosen("cuda") == torch.device("cuda")
    assert taken == [2]
    taken = machine(monkeypatch, cuda=4)
    devices.chosen("cuda")
    assert taken == [], "one process alone leaves that to torch"


def test_more_ranks_than_accelerators_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, cuda=2, ranks=3, local=2)
    text = "^train.device: auto, found 2 accelerators on this machine for more ranks\nstart as many ranks on a machine"
    with pytest.raises(ShoepairError, match=text):
        devices.chosen("auto")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_accelerator_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    machine(monkeypatch)
    text = rf"^train.device: {name}, which this machine \(or this .*\) does not have\nset `train.device: auto`$"
    with pytest.raises(ShoepairError, match=text):
        devices.chosen(name)


def test_one_process_agrees_with_itself() -> None:
    device = torch.device("cuda", 3)
    assert devices.agreed(device) is device
