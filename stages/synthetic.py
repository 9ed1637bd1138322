"""Stage synthetic: params -> drawn students from whom training learns beside the class.

Writes  data/synthetic/synthetic.h5; layout in shoepair/data/store.py
Params  synthetic, normalize
"""

from shoepair.data import store
from shoepair.ingestion.config import Normalize
from shoepair.runtime import params, paths, progress, stage
from shoepair.synthetic import training_students
from shoepair.synthetic.config import Synthetic


def main() -> None:
    """Draw the students and pack their photos, as `normalize` packs those of a batch."""
    chosen = params.load(Synthetic)
    edge = params.load(Normalize).edge
    drawn = training_students.draw(chosen.students, chosen.seed, edge)
    shown = progress.track(drawn, "synthetic", "student", chosen.students)
    store.write(paths.store(paths.SYNTHETIC), training_students.names(chosen.students), shown, edge)
    print(f"synthetic: {chosen.students} students drawn, {edge} x {edge} pixels a photo")


if __name__ == "__main__":
    stage.run(main)
