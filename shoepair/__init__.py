"""shoepair: from raw class photos of shoes to compared models, as one DVC pipeline.

The code lies in nine rooms (docs/architecture.md); imports go from the top of this list to its bottom only:

    commands    the program `shoepair`; beside it the folder stages/, one file per stage of dvc.yaml
    reports     numbers -> what people read
    evaluation  scores -> numbers
    training    pairs -> weights
    synthetic   drawn shoes
    ingestion   files handed in -> accepted, decoded, split
    models      the networks and the baseline
    data        words, tables and pixels of a class
    runtime     how work runs

What a notebook of the course needs is imported from here, such as `from shoepair import load_split, CNN, train_model`.
Each name is loaded when it is first asked for, since torch takes seconds.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoepair.data.loading import load_split as load_split
    from shoepair.data.pairs import generate_different_pair as generate_different_pair
    from shoepair.data.pairs import generate_same_pair as generate_same_pair
    from shoepair.ingestion.decode import decode_photo as decode_photo
    from shoepair.models.cnn import CNN as CNN
    from shoepair.models.cnn import CNNChannel as CNNChannel
    from shoepair.training.config import TrainConfig as TrainConfig
    from shoepair.training.notebook import get_accuracy as get_accuracy
    from shoepair.training.notebook import train_model as train_model

# Torch's threads wait for one another by spinning, unless told otherwise before torch is loaded. Where anything else
# runs on the machine, a spinning thread holds the core that the other one is waiting for: on 2 busy cores training
# took 2.6 times as long. No result depends on it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PUBLIC = {
    "load_split": "data.loading",
    "generate_same_pair": "data.pairs",
    "generate_different_pair": "data.pairs",
    "decode_photo": "ingestion.decode",
    "CNN": "models.cnn",
    "CNNChannel": "models.cnn",
    "TrainConfig": "training.config",
    "train_model": "training.notebook",
    "get_accuracy": "training.notebook",
}


def __getattr__(name: str) -> Any:
    """Load one of the public names from its room."""
    if name not in PUBLIC:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{PUBLIC[name]}"), name)
