"""shoepair: from raw class photos of shoes to compared models, as one DVC pipeline.

The code has nine subpackages (docs/architecture.md). Each may import from those below it only:

    commands    the program `shoepair`; on its level the folder stages/, one file per stage of dvc.yaml
    reports     report page, model card, data card, metadata
    evaluation  metrics, comparison of models, thresholds, leakage, label issues
    training    training and cross-validation
    synthetic   synthetic photos of shoes
    ingestion   listing, validating, decoding and splitting the photos handed in
    models      the networks and the baseline
    data        file names, schemas, pairs, image store, data loading
    runtime     errors, progress, parameters, storage, parallel tasks

Notebooks of the course import from here, such as `from shoepair import load_split, CNN, train_model`. Each name is
loaded at its first use, since importing torch takes seconds.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoepair.data.pairs import generate_different_pair as generate_different_pair
    from shoepair.data.pairs import generate_same_pair as generate_same_pair
    from shoepair.data.photo_loading import load_split as load_split
    from shoepair.ingestion.decoding import decode_photo as decode_photo
    from shoepair.models.cnn import CNN as CNN
    from shoepair.models.cnn import CNNChannel as CNNChannel
    from shoepair.training.config import TrainConfig as TrainConfig
    from shoepair.training.notebook import get_accuracy as get_accuracy
    from shoepair.training.notebook import train_model as train_model

# By default torch's threads wait for each other by spinning; to be set before torch is loaded. On a busy machine a
# spinning thread holds the core that another one waits for: training on 2 busy cores took 2.6 times as long. No result
# depends on it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PUBLIC = {
    "load_split": "data.photo_loading",
    "generate_same_pair": "data.pairs",
    "generate_different_pair": "data.pairs",
    "decode_photo": "ingestion.decoding",
    "CNN": "models.cnn",
    "CNNChannel": "models.cnn",
    "TrainConfig": "training.config",
    "train_model": "training.notebook",
    "get_accuracy": "training.notebook",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module at its first use."""
    if name not in PUBLIC:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{PUBLIC[name]}"), name)
