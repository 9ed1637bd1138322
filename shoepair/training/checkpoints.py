"""Checkpoints: an interrupted training resumes after its last finished epoch and ends with the same bits.

One file per model, replaced after every epoch and deleted at the end of the training. It carries the run key, a digest
of everything that the weights depend on: config, pairs, photos, code and libraries. A checkpoint with another key is
never used. No RNG state is saved: each epoch is seeded from (seed, epoch). The number of ranks is not in the key,
since a cluster that lost a machine must be able to resume: with another number of ranks the last bits differ, with the
same number they are the same.

Layout: safetensors in a file with a checksum (runtime/checked_files.py); `model.*` and `best.*` are the weights after
the last and after the best epoch, `average.*` their moving average, `adam.<i>.*` the optimizer's tensors of parameter
i; the header's `run` is JSON: format, key, epochs and losses so far.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load as deserialized
from safetensors.torch import save as serialized
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from shoepair.models.registry import Weights, copy_weights
from shoepair.runtime import OUTPUT_VERSION, checked_files, library_versions, paths
from shoepair.runtime.errors import ShoepairError

FORMAT = 3
METADATA_KEY = "run"
# What the weights depend on, as declared by stage `train` in dvc.yaml: packages, and groups of libraries.
CODE_PACKAGES = ("data", "models", "training")
LIBRARY_GROUPS = ("arrays", "stores", "training")


@dataclass(frozen=True)
class TrainingState:
    """The state of a training after an epoch.

    Args:
        weights: the current weights.
        best_weights: the weights to return if no later epoch is better.
        ema_weights: the moving average of the weights; empty where there is none.
        optimizer_state: the optimizer's tensors of each parameter, in the order of the parameters.
        history: epochs and losses so far, as JSON values.
    """

    weights: Weights
    best_weights: Weights
    ema_weights: Weights
    optimizer_state: list[dict[str, Tensor]]
    history: dict[str, Any]


def compute_run_key(
    settings: object, pair_rows: Sequence[pd.DataFrame], path_of: Callable[[str], Path] = paths.store_path
) -> str:
    """Return a digest of all that the weights depend on: settings, pairs, photos, code, libraries.

    Args:
        settings: all settings of the training; their `repr` is hashed.
        pair_rows: `Pairs` rows to train on and to select the epoch by; the stores they refer to are hashed too.
        path_of: the path of the store, or of the features, of a batch.

    Returns:
        64 hexadecimal digits.
    """
    versions = sorted(library_versions.expected_version_by_library(LIBRARY_GROUPS).items())
    digest = hashlib.blake2b(f"{settings} {OUTPUT_VERSION} {versions}".encode(), digest_size=32)
    for rows in pair_rows:
        digest.update(rows.to_csv(index=False).encode())
    stores = {path_of(str(batch)) for rows in pair_rows for batch in rows["batch"].unique()}
    package = Path(__file__).parent.parent
    code = [path for room in CODE_PACKAGES for path in sorted((package / room).rglob("*.py"))]
    for path in [*code, *sorted(stores)]:
        if not path.exists():
            message = f"{path}: missing"
            raise ShoepairError(message, fix="run `dvc repro`, which builds it")
        stat = path.stat()
        digest.update(_file_digest(path, (stat.st_mtime_ns, stat.st_size, stat.st_ino)))
    return digest.hexdigest()


@cache
def _file_digest(path: Path, _stamp: tuple[int, int, int]) -> bytes:
    """Return the BLAKE2 digest of a file, read once: each training of a cross-validation needs it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).digest()


def copy_training_state(
    model: nn.Module,
    best_weights: Weights,
    optimizer: torch.optim.Optimizer,
    ema_model: AveragedModel | None,
    history: dict[str, Any],
) -> TrainingState:
    """Copy the current state of a training into a `TrainingState`, for `save_checkpoint`."""
    optimizer_state = [values for _number, values in sorted(optimizer.state_dict()["state"].items())]
    ema_weights = copy_weights(ema_model.module) if ema_model and ema_model.n_averaged else {}
    return TrainingState(copy_weights(model), best_weights, ema_weights, optimizer_state, history)


def restore_weights_and_optimizer(
    state: TrainingState, model: nn.Module, optimizer: torch.optim.Optimizer, ema_model: AveragedModel | None
) -> None:
    """Load a saved state into the model, its optimizer and its EMA."""
    model.load_state_dict(state.weights)
    if ema_model and state.ema_weights:
        ema_model.module.load_state_dict(state.ema_weights)
        ema_model.n_averaged.fill_(1)  # at 0 the next update would copy the weights
    optimizer_state = optimizer.state_dict()
    optimizer_state["state"] = {
        number: {name: _match_layout(value, weight) for name, value in values.items()}
        for number, (weight, values) in enumerate(zip(model.parameters(), state.optimizer_state, strict=True))
    }
    optimizer.load_state_dict(optimizer_state)


def _match_layout(value: Tensor, weight: Tensor) -> Tensor:
    """Return an optimizer tensor in the memory layout of its weight, which fixes the order of sums."""
    return torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value


def save_checkpoint(path: Path, run_key: str, state: TrainingState) -> None:
    """Write a checkpoint file atomically."""
    parts = {"model": state.weights, "best": state.best_weights, "average": state.ema_weights}
    parts |= {f"adam.{number}": values for number, values in enumerate(state.optimizer_state)}
    tensors = {
        f"{part}.{name}": value.cpu().contiguous() for part, values in parts.items() for name, value in values.items()
    }
    header = json.dumps({"format": FORMAT, "key": run_key, **state.history})
    checked_files.write_checked(path, serialized(tensors, {METADATA_KEY: header}))


def read_checkpoint_bytes(path: Path, run_key: str) -> bytes:
    """Return the content of a checkpoint file; b"" if it is missing, not as it was written, or of another run."""
    content = checked_files.read_checked(path) or b""
    header = _read_header(content) if content else {}
    return content if header.get("format") == FORMAT and header.get("key") == run_key else b""


def _read_header(content: bytes) -> dict[str, Any]:
    """Parse the safetensors header of a content that is as `save_checkpoint` wrote it: its length, then JSON."""
    length = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][METADATA_KEY])
    return header


def decode_training_state(content: bytes) -> TrainingState | None:
    """Decode the content of a checkpoint into a `TrainingState`; None if it is empty."""
    if not content:
        return None
    header = _read_header(content)
    parts: dict[str, Weights] = {"model": {}, "best": {}, "average": {}}
    adam: dict[int, dict[str, Tensor]] = {}
    for name, value in deserialized(content).items():
        part, _, rest = name.partition(".")
        if part == "adam":
            number, _, rest = rest.partition(".")
            adam.setdefault(int(number), {})[rest] = value
        else:
            parts[part][rest] = value
    history = {name: value for name, value in header.items() if name not in ("format", "key")}
    optimizer_state = [adam[number] for number in sorted(adam)]
    return TrainingState(parts["model"], parts["best"], parts["average"], optimizer_state, history)
