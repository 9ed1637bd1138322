"""Stage synthetic: params -> synthetic training students, in addition to those of the class.

Writes  data/synthetic/synthetic.h5; layout in shoepair/data/store.py
Params  synthetic, normalize
"""

from shoepair.data import store
from shoepair.data.wording import count_with_noun
from shoepair.ingestion.config import NormalizeConfig
from shoepair.runtime import params, paths, progress, stage
from shoepair.synthetic import training_students
from shoepair.synthetic.config import SyntheticConfig


def main() -> None:
    """Draw the synthetic training students and write their store."""
    config = params.load(SyntheticConfig)
    edge = params.load(NormalizeConfig).edge
    students = training_students.iter_decoded_student_photos(config.students, config.seed, edge)
    photos = progress.track(students, "synthetic", "student", config.students)
    ids = training_students.make_student_ids(config.students)
    store.write_store(paths.store_path(paths.SYNTHETIC_BATCH), ids, photos, edge)
    print(f"synthetic: {count_with_noun(config.students, 'synthetic student')}, {edge} x {edge} pixels a photo")


if __name__ == "__main__":
    stage.run(main)
