"""Stage features: photos of a batch -> their maps by a pretrained network.

Reads   data/store/<batch>.h5, data/accepted/<batch>.parquet
Writes  data/features/<batch>.h5; layout in shoepair/data/features_file.py
Params  pretrained.models, pretrained.weights, pretrained.sha256, features, seed, train.device,
        train.threads
"""

from shoepair.data import features_file, parquet_files, schemas
from shoepair.data.wording import count_with_noun
from shoepair.models.config import FeaturesConfig
from shoepair.runtime import params, paths, stage


def main(batch: str) -> None:
    """Write the maps of every photo of a batch; none where no model on a pretrained network is named."""
    config = params.load(FeaturesConfig)
    if not config.models:
        features_file.write_empty_file(paths.features_path(batch))
        print(f"features {batch}: none, since no model needs them")
        return
    from shoepair.training import features  # with torch, which takes seconds to load

    accepted = parquet_files.read_table(paths.accepted_path(batch), schemas.AcceptedPhotos)
    subsets = dict(zip(accepted["student"], accepted["subset"], strict=True))
    students = features.write_features_of_batch(batch, subsets, config)
    counted = count_with_noun(students, "student")
    print(f"features {batch}: {counted}, by {config.weights}, {config.augmented} augmented views")


if __name__ == "__main__":
    stage.run(main)
