"""Stage sample: a declaration in data/batches.yaml -> a drawn class of photos.

Writes  data/raw/<batch>
Params  data/batches.yaml: samples.<batch>
"""

from shoepair.runtime import paths, stage
from shoepair.runtime.batches import load_sample
from shoepair.synthetic import sample_class


def main(batch: str) -> None:
    """Draw the class that the batch declares."""
    drawn = load_sample(batch)
    count = sample_class.draw_class(paths.raw(batch), drawn.students, drawn.test_students, drawn.seed)
    print(f"sample {batch}: {count} photos drawn")


if __name__ == "__main__":
    stage.run(main)
