"""Stage sample: a declaration in data/batches.yaml -> photos of a synthetic class.

Writes  data/raw/<batch>
Params  data/batches.yaml: synthetic_classes.<batch>
"""

from shoepair.runtime import paths, stage
from shoepair.runtime.batches import load_synthetic_class
from shoepair.synthetic import synthetic_class


def main(batch: str) -> None:
    """Draw the synthetic class that a batch declares, as photos."""
    config = load_synthetic_class(batch)
    folder = paths.raw_path(batch)
    count = synthetic_class.write_synthetic_class(folder, config.students, config.test_students, config.seed)
    print(f"sample {batch}: {count} synthetic photos")


if __name__ == "__main__":
    stage.run(main)
