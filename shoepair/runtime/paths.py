"""Paths of all inputs and outputs of the pipeline, relative to the project folder.

DVC runs stages in the project folder, or in a temporary workspace that is a copy of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

PARAMS = Path("params.yaml")
BATCH_LIST = Path("data/batches.yaml")
RAW_FOLDER = Path("data/raw")
TRAINING_STAGES = ("train", "train_pretrained")  # of one model each: `train@cnn`
STORE_FOLDER = Path("data/store")
FEATURES_FOLDER = Path("data/features")
SYNTHETIC_STORE_FOLDER = Path("data/synthetic")
SPLIT = Path("data/split.parquet")
PAIRS = Path("data/pairs.parquet")
SCORES = Path("data/scores.parquet")
NEAR_DUPLICATES = Path("data/duplicates.parquet")
LABEL_ISSUES = Path("data/suspects.parquet")
THRESHOLDS = Path("data/decision.json")
LABEL_ISSUES_PICTURE = Path("reports/suspects.png")
SPLIT_METRICS = Path("metrics/split.json")
VALIDATION_METRICS = Path("metrics/validation.json")
EVALUATION_METRICS = Path("metrics/evaluation.json")
EVALUATION_DETAILS = Path("metrics/details.json")
ROC_CURVE_FOLDER = Path("plots/roc")
CONFUSION_DATA = Path("plots/confusion.csv")
ANALYSIS_FOLDER = Path("reports/analysis")
LEAKAGE_REPORT = Path("reports/audit.json")
SYNTHETIC_BATCH = "synthetic"  # name of the store of synthetic training students; reserved, no batch
WITHDRAWN_LIST = Path("data/withdrawn.yaml")
KEPT_MATCHES = Path("checkpoints/duplicates")  # no output: photos that stage split has compared
KEPT_MEASURES_FOLDER = Path("checkpoints/suspects")  # no output: measures of the photos of each batch
ADD_JOURNAL = Path(".dvc/tmp/shoepair/add")  # exists while `shoepair add` runs: what to undo if it is killed


def _path_maker(folder: Path | str, suffix: str = "") -> Callable[[str], Path]:
    """Return a function from the name of a batch or model to the path of its file or folder."""
    return lambda name: Path(folder) / f"{name}{suffix}"


# Paths of a batch:
raw_path = _path_maker(RAW_FOLDER)  # the photos, as handed in
manifest_path = _path_maker("data/manifest", ".parquet")  # one row per file handed in
accepted_path = _path_maker("data/accepted", ".parquet")  # one row per accepted photo
image_stats_path = _path_maker("data/image_stats", ".parquet")  # quality measures and hash of every accepted photo
features_path = _path_maker(FEATURES_FOLDER, ".h5")  # maps of a pretrained network, of every accepted photo
sheets_path = _path_maker("reports/photos")  # contact sheets, and pairs of photos
validation_report_path = _path_maker("reports/validation", ".json")  # counts of stage `validate`
kept_measures_path = _path_maker(KEPT_MEASURES_FOLDER)

# Paths of a model:
weights_path = _path_maker("models", ".safetensors")  # after training
model_card_path = _path_maker("models", ".json")  # layers, configuration, and the epoch of the weights
checkpoint_path = _path_maker("checkpoints", ".safetensors")  # no output; deleted when the training ends
cv_scores_path = _path_maker("data/crossval", ".parquet")  # held-out scores of its cross-validation
cv_metrics_path = _path_maker("metrics/crossval", ".json")  # metrics of its cross-validation
epoch_curve_path = _path_maker("plots/training", ".csv")  # loss and accuracies after every epoch
loss_curve_path = _path_maker("plots/loss", ".csv")  # loss in every iteration
roc_curve_path = _path_maker(ROC_CURVE_FOLDER, ".csv")


def store_path(batch: str) -> Path:
    """Return the path of the HDF5 store of a batch, or of the synthetic students (`SYNTHETIC_BATCH`).

    The latter is in a separate folder, so that only the stages that train on it depend on it.
    """
    return (SYNTHETIC_STORE_FOLDER if batch == SYNTHETIC_BATCH else STORE_FOLDER) / f"{batch}.h5"


def fold_scores_path(model: str, run_key: str) -> Path:
    """Return the path of the cached scores of one cross-validation fold; no pipeline output."""
    return Path("checkpoints/crossval") / f"{model}-{run_key[:16]}.parquet"
