"""Computes the features of a batch's photos by a pretrained network: what stage `features` stores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shoepair.data import features_file
from shoepair.data.features_file import StudentFeatures
from shoepair.data.pair_dataset import scale_to_centred_float
from shoepair.data.store import Store
from shoepair.models import devices, registry
from shoepair.models.backbone import Backbone
from shoepair.models.config import FeaturesConfig, PretrainedConfig
from shoepair.models.pretrained import embed_photos
from shoepair.runtime import cpu, paths, progress, stage_inputs
from shoepair.training.augmentation import augment_photos
from shoepair.training.config import AugmentationConfig

AUGMENTATION = AugmentationConfig(mirror_swap=True, color_jitter=1.0, affine=1.0)
TRAINABLE_SUBSET = "train"  # its students are in train or valid, and cross-validation trains on both


def write_features_of_batch(batch: str, subset_by_student: dict[str, str], config: FeaturesConfig) -> int:
    """Compute and write the features of all photos of a batch.

    Args:
        batch: name of the batch.
        subset_by_student: of its students; only those of subset `train` get augmented views.
        config: which network for which models, and how many augmented views.

    Returns:
        The number of students with features.

    Raises:
        ShoepairError: a model of `pretrained.models` uses no pretrained network; or see `build_pretrained_model`.
    """
    cpu.configure_torch_cpu(config.threads)
    network = PretrainedConfig(weights=config.weights, sha256=config.sha256)
    model, *_ = [registry.build_pretrained_model(name, network) for name in config.models]
    with Store(paths.store_path(batch)) as store, devices.memory_errors_as_shoepair_error():
        students = store.student_ids
        counts = [config.augmented * (subset_by_student[student] == TRAINABLE_SUBSET) for student in students]
        features = iter_student_features(model.backbone, store, counts, config)
        tracked = progress.track(features, f"features {batch}", "student", len(students))
        features_file.write_features(
            paths.features_path(batch), model.features_kind, students, [count > 0 for count in counts], tracked
        )
    return len(students)


def iter_student_features(
    backbone: Backbone, store: Store, augmented_counts: list[int], config: FeaturesConfig
) -> Iterator[StudentFeatures]:
    """Yield the features of each student of a store, see `embed_photos`."""
    device = devices.select_device(config.device)
    backbone = backbone.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]  # as in `loop`
    inputs = stage_inputs.current()
    for row, count in enumerate(augmented_counts):
        inputs.check_between_pieces()
        shoes = scale_to_centred_float(torch.from_numpy(store.read_students([row])))  # (1, 3, 2, S, S, 3)
        views = [shoes, shoes.flip(4)]
        rng = torch.Generator().manual_seed(int(np.random.SeedSequence([config.seed, row]).generate_state(1)[0]))
        augmented = [augment_photos(shoes, AUGMENTATION, rng) for _ in range(count)]
        embedded = _embed_views(backbone, views, device)
        yield StudentFeatures(embedded, _embed_views(backbone, augmented, device) if count else None)


def _embed_views(backbone: Backbone, views: list[Tensor], device: torch.device) -> dict[str, NDArray[np.float16]]:
    """Return the features of V views of a student's photos, each (1, 3, 2, S, S, 3), by name: (3, 2, V, ...)."""
    photos = [view.flatten(0, 2).movedim(3, 1) for view in views]  # (6, 3, S, S), channels last in memory
    with torch.no_grad():
        embedded = [embed_photos(backbone, six.to(device), backbone.edge) for six in photos]
    return {
        name: torch.stack([view[name].to(torch.float16).cpu() for view in embedded], dim=1)
        .reshape(3, 2, len(views), *embedded[0][name].shape[1:])
        .numpy()
        for name in embedded[0]
    }
