"""Stage synthetic: params -> drawn students from whom training learns beside the class.

Writes  data/store/synthetic.h5; layout in shoepair/store.py
Params  synthetic, normalize
"""

from shoepair import synthetic
from shoepair.data import store
from shoepair.runtime import errors, params, paths, progress


def main() -> None:
    """Draw the students and pack their photos, as `normalize` packs those of a batch."""
    chosen = params.load(params.Synthetic)
    edge = params.load(params.Normalize).edge
    drawn = synthetic.draw(chosen.students, chosen.seed, edge)
    shown = progress.track(drawn, "synthetic", "student", chosen.students)
    store.write(paths.store(paths.SYNTHETIC), synthetic.names(chosen.students), shown, edge)
    print(f"synthetic: {chosen.students} students drawn, {edge} x {edge} pixels a photo")


if __name__ == "__main__":
    errors.run(main)
