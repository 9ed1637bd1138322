"""Stage suspects: all photos of the class -> the students whose photos may be mislabelled, ranked.

Reads   data/split.parquet, data/store/<batch>.h5 of the batches in it
Writes  data/suspects.parquet, reports/suspects.png
"""

from shoepair.data import loading, schemas, tables
from shoepair.evaluation import label_issues
from shoepair.runtime import files, paths, progress, stage


def main() -> None:
    """Rank the students, and show the first ones."""
    students = tables.read(paths.SPLIT, schemas.Split)
    seen = progress.track(loading.each_student(students), "suspects", "student", len(students))
    ranked = label_issues.rank(students, seen)
    shown = ranked.head(label_issues.SHOWN)
    rows = shown.merge(students, on=["batch", "student"], how="left", validate="one_to_one")
    tables.write(paths.SUSPECTS, ranked, schemas.Suspects)
    with files.replacing(paths.SUSPECTS_PICTURE) as part:
        label_issues.picture(shown, loading.each_student(rows)).save(part, "PNG")
    print("suspects:", ", ".join(f"{row.student} {row.suspicion:.0%}" for row in shown.head(3).itertuples()) or "none")


if __name__ == "__main__":
    stage.run(main)
