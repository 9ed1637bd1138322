"""Where every artefact of the pipeline lies, relative to the project's folder: the one place that knows.

Stages run in the project's folder (DVC sees to it), also when that is one of DVC's temporary workspaces.
"""

from __future__ import annotations

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


def raw(batch: str) -> Path:
    """The photos of a batch, as handed in."""
    return RAW / batch


def table(batch: str) -> Path:
    """One row per file found in a batch."""
    return Path("data/table") / f"{batch}.parquet"


def valid(batch: str) -> Path:
    """One row per accepted photo of a batch."""
    return Path("data/valid") / f"{batch}.parquet"


def signs(batch: str) -> Path:
    """What was measured of every accepted photo of a batch."""
    return Path("data/signs") / f"{batch}.parquet"


def validation(batch: str) -> Path:
    """What `validate` counted in a batch."""
    return Path("reports/validation") / f"{batch}.json"


def store(batch: str) -> Path:
    """The pixels of a batch, or of the drawn students (`SYNTHETIC`) that training learns from beside the class.

    These have a folder of their own, so that only the stages that learn from them wait for them.
    """
    return (SYNTHETIC_STORES if batch == SYNTHETIC else STORES) / f"{batch}.h5"


def weights(model: str) -> Path:
    """The weights of a trained model."""
    return Path("models") / f"{model}.safetensors"


def card(model: str) -> Path:
    """What a trained model is: its layers, and the epoch its weights are from."""
    return Path("models") / f"{model}.json"


def checkpoint(model: str) -> Path:
    """The weights after the last finished epoch, while a model is trained; no output, gone when it is."""
    return Path("checkpoints") / f"{model}.safetensors"


def fold(model: str, key: str) -> Path:
    """The scores of one fold of a cross-validation, kept until nobody wants them; no output."""
    return Path("checkpoints/crossval") / f"{model}-{key[:16]}.parquet"


def folded(model: str) -> Path:
    """All scores of a model's cross-validation."""
    return Path("data/crossval") / f"{model}.parquet"


def folded_metrics(model: str) -> Path:
    """What a model's cross-validation gave."""
    return Path("metrics/crossval") / f"{model}.json"


def epochs(model: str) -> Path:
    """Loss and accuracies of a model after every epoch."""
    return Path("plots/training") / f"{model}.csv"


def roc(model: str) -> Path:
    """The ROC curve of a model."""
    return ROC_CURVES / f"{model}.csv"


def iterations(model: str) -> Path:
    """Loss of a model in every iteration."""
    return Path("plots/loss") / f"{model}.csv"
