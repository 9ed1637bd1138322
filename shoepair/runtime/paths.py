"""Where every artefact of the pipeline lies, relative to the project's folder: the one place that knows.

Stages run in the project's folder (DVC sees to it), also when that is one of DVC's temporary workspaces.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

PARAMS = Path("params.yaml")
BATCHES = Path("data/batches.yaml")
RAW = Path("data/raw")
STORES = Path("data/store")
SYNTHETIC_STORES = Path("data/synthetic")
SPLIT = Path("data/split.parquet")
PAIRS = Path("data/pairs.parquet")
SCORES = Path("data/scores.parquet")
DUPLICATES = Path("data/duplicates.parquet")
SUSPECTS = Path("data/suspects.parquet")
DECISION = Path("data/decision.json")
SUSPECTS_PICTURE = Path("reports/suspects.png")
SPLIT_METRICS = Path("metrics/split.json")
VALIDATION_METRICS = Path("metrics/validation.json")
EVALUATION_METRICS = Path("metrics/evaluation.json")
EVALUATION_DETAILS = Path("metrics/details.json")
ROC_CURVES = Path("plots/roc")
CONFUSION = Path("plots/confusion.csv")
ANALYSIS = Path("reports/analysis")
AUDIT = Path("reports/audit.json")
SYNTHETIC = "synthetic"  # the store of the drawn students that training learns from beside the class; no batch
WITHDRAWN = Path("data/withdrawn.yaml")
JOURNAL = Path(".dvc/tmp/shoepair-add.json")  # there while `shoepair add` works: what to take back if it is killed


def _files(folder: Path | str, suffix: str = "") -> Callable[[str], Path]:
    """Make the function that returns where the file, or folder, of a batch or model lies."""
    return lambda name: Path(folder) / f"{name}{suffix}"


# Of a batch:
raw = _files(RAW)  # the photos, as handed in
table = _files("data/table", ".parquet")  # one row per file found
valid = _files("data/valid", ".parquet")  # one row per accepted photo
signs = _files("data/signs", ".parquet")  # what was measured of every accepted photo
validation = _files("reports/validation", ".json")  # what `validate` counted

# Of a model:
weights = _files("models", ".safetensors")  # after training
card = _files("models", ".json")  # what it is: its layers, and the epoch its weights are from
checkpoint = _files("checkpoints", ".safetensors")  # after the last finished epoch; no output, gone when it is trained
folded = _files("data/crossval", ".parquet")  # all scores of its cross-validation
folded_metrics = _files("metrics/crossval", ".json")  # what its cross-validation gave
epochs = _files("plots/training", ".csv")  # loss and accuracies after every epoch
iterations = _files("plots/loss", ".csv")  # loss in every iteration
roc = _files(ROC_CURVES, ".csv")


def store(batch: str) -> Path:
    """The pixels of a batch, or of the drawn students (`SYNTHETIC`) that training learns from beside the class.

    These have a folder of their own, so that only the stages that learn from them wait for them.
    """
    return (SYNTHETIC_STORES if batch == SYNTHETIC else STORES) / f"{batch}.h5"


def fold(model: str, key: str) -> Path:
    """The scores of one fold of a cross-validation, kept until nobody wants them; no output."""
    return Path("checkpoints/crossval") / f"{model}-{key[:16]}.parquet"
