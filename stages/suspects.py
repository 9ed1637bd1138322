"""Stage suspects: all photos of the class -> the students whose photos may be mislabelled, ranked.

Reads   data/split.parquet, data/store/<batch>.h5 of the batches in it
Writes  data/suspects.parquet, reports/suspects.png
"""

from shoepair import batches, splits, suspects, table
from shoepair.runtime import errors, files, paths, progress


def main() -> None:
    """Rank the students, and show the first ones."""
    students = table.read(paths.SPLIT, splits.Split)
    seen = progress.track(batches.each_student(students), "suspects", "student", len(students))
    ranked = suspects.rank(students, seen)
    shown = ranked.head(suspects.SHOWN)
    rows = shown.merge(students, on=["batch", "student"], how="left", validate="one_to_one")
    table.write(paths.SUSPECTS, ranked, table.Suspects)
    with files.replacing(paths.SUSPECTS_PICTURE) as part:
        suspects.picture(shown, batches.each_student(rows)).save(part, "PNG")
    print("suspects:", ", ".join(f"{row.student} {row.suspicion:.0%}" for row in shown.head(3).itertuples()) or "none")


if __name__ == "__main__":
    errors.run(main)
