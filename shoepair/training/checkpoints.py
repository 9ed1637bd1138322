"""Checkpoints: a training run that was killed goes on from its last finished epoch, to the same bits.

One file per model, replaced after every epoch, gone when the training is done. It carries the key of its run, a digest
of everything that the weights depend on: the config, the pairs, the photos and the code. A checkpoint of another key
is never used. Random numbers need no state in it: what an epoch draws follows from the seed and its number. The number
of ranks is not in the key, since a cluster that lost a machine shall go on: with another number of ranks a run ends in
other last bits, with the same number in the same bits.

Layout: safetensors; `model.*` and `best.*` the weights after the last epoch and after the best one, `average.*` their
moving average, `adam.<i>.*` the optimizer's numbers of parameter i; the header's `run` is JSON: format, key, epochs
and losses so far.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load as deserialized
from safetensors.torch import save as serialized
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from shoepair.models.registry import Weights, weights_of
from shoepair.runtime import OUTPUT_VERSION, files, libraries, paths

FORMAT = 2
HEADER = "run"
# What weights follow from, as `train` in dvc.yaml has it: rooms of this package, and groups of libraries.
ROOMS = ("data", "models", "training")
LIBRARIES = ("arrays", "stores", "training")


@dataclass(frozen=True)
class State:
    """A training run after an epoch.

    Args:
        model: the weights.
        best: the weights to return if no later epoch is better.
        average: the moving average of the weights; empty where none was taken.
        adam: the optimizer's tensors of each parameter, in the order of the parameters.
        course: what JSON can hold: the epochs and losses so far.
    """

    model: Weights
    best: Weights
    average: Weights
    adam: list[dict[str, Tensor]]
    course: dict[str, Any]


def key(chosen: object, rows: Sequence[pd.DataFrame]) -> str:
    """A digest of what the weights depend on: what was chosen, pairs, photos, code and libraries.

    Args:
        chosen: everything that was chosen, as text by its `repr`.
        rows: `Pairs` rows to learn from and to choose by; the stores that they name are read.

    Returns:
        64 hexadecimal digits.
    """
    versions = sorted(libraries.expected(LIBRARIES).items())
    digest = hashlib.blake2b(f"{chosen} {OUTPUT_VERSION} {versions}".encode(), digest_size=32)
    for each in rows:
        digest.update(each.to_csv(index=False).encode())
    stores = {paths.store(str(batch)) for each in rows for batch in each["batch"].unique()}
    package = Path(__file__).parent.parent
    code = [path for room in ROOMS for path in sorted((package / room).rglob("*.py"))]
    for path in [*code, *sorted(stores)]:
        found = path.stat()
        digest.update(_digest(path, (found.st_mtime_ns, found.st_size, found.st_ino)))
    return digest.hexdigest()


@cache
def _digest(path: Path, _stamp: tuple[int, int, int]) -> bytes:
    """Of a file, which is read once: a cross-validation asks for a key for each of its trainings."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).digest()


def snapshot(
    model: nn.Module, best: Weights, optimizer: torch.optim.Optimizer, average: AveragedModel, course: dict[str, Any]
) -> State:
    """The state of a run, to be written by `save`."""
    adam = list(optimizer.state_dict()["state"].values())
    averaged = weights_of(average.module) if average.n_averaged else {}
    return State(weights_of(model), best, averaged, adam, course)


def restore(state: State, model: nn.Module, optimizer: torch.optim.Optimizer, average: AveragedModel) -> None:
    """Put a run back to where it was."""
    model.load_state_dict(state.model)
    if state.average:
        average.module.load_state_dict(state.average)
        average.n_averaged.fill_(1)  # not 0, where the first weights would be taken as they are
    whole = optimizer.state_dict()
    whole["state"] = {
        number: {name: _laid_like(value, weight) for name, value in values.items()}
        for number, (weight, values) in enumerate(zip(model.parameters(), state.adam, strict=True))
    }
    optimizer.load_state_dict(whole)


def _laid_like(value: Tensor, weight: Tensor) -> Tensor:
    """A tensor of the optimizer in the memory layout of its weight, so that the next step works in the same order."""
    return torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value


def save(path: Path, key: str, state: State) -> None:
    """Write a checkpoint as a whole: the one before it, or this one, is there at any moment."""
    parts = {"model": state.model, "best": state.best, "average": state.average}
    parts |= {f"adam.{number}": values for number, values in enumerate(state.adam)}
    tensors = {f"{part}.{name}": value.cpu().contiguous() for part, of in parts.items() for name, value in of.items()}
    header = json.dumps({"format": FORMAT, "key": key, **state.course})
    with files.replacing(path) as part:
        part.write_bytes(serialized(tensors, {HEADER: header}))


def read(path: Path, key: str) -> bytes:
    """The file of the checkpoint of this run; empty where there is none, or one of another run."""
    try:
        content = path.read_bytes()
        course = _course(content)
    except (FileNotFoundError, ValueError):
        return b""
    return content if course.get("format") == FORMAT and course.get("key") == key else b""


def _course(content: bytes) -> dict[str, Any]:
    """What the header holds: in safetensors 8 bytes say how long it is, and it is JSON."""
    length = int.from_bytes(content[:8], "little")
    course: dict[str, Any] = json.loads(json.loads(content[8 : 8 + length]).get("__metadata__", {}).get(HEADER, "{}"))
    return course


def parsed(content: bytes) -> State | None:
    """The state in what `read` gave; None where that is empty, or was torn."""
    try:
        tensors = deserialized(content)
    except SafetensorError:
        return None
    course = _course(content)
    parts: dict[str, Weights] = {"model": {}, "best": {}, "average": {}}
    adam: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        if part == "adam":
            number, _, rest = rest.partition(".")
            adam.setdefault(int(number), {})[rest] = value
        else:
            parts[part][rest] = value
    told = {name: value for name, value in course.items() if name not in ("format", "key")}
    return State(parts["model"], parts["best"], parts["average"], [adam[number] for number in sorted(adam)], told)
