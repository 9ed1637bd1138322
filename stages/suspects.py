"""Stage suspects: photos of all students -> students ranked by the probability of a label issue.

Reads   data/split.parquet, data/store/<batch>.h5 of their batches
Keeps   checkpoints/suspects/<batch>: measures of the photos; no output follows from them
Writes  data/suspects.parquet, reports/suspects.png
"""

from shoepair.data import parquet_files, photo_loading, schemas
from shoepair.evaluation import kept_measures, label_issues
from shoepair.runtime import atomic_files, paths, stage


def main() -> None:
    """Rank students by suspected label issues; write the ranking and a picture of the first ones."""
    students = parquet_files.read_table(paths.SPLIT, schemas.StudentSplits)
    ranked = label_issues.rank_suspect_rows(students, kept_measures.iter_measures(students))
    shown = ranked.head(label_issues.SHOWN_STUDENTS)
    rows = shown.merge(students, on=["batch", "student"], how="left", validate="one_to_one")
    parquet_files.write_table(paths.LABEL_ISSUES, ranked, schemas.LabelIssues)
    with atomic_files.atomic_write(paths.LABEL_ISSUES_PICTURE) as part:
        label_issues.draw_contact_sheet_image(shown, photo_loading.iter_student_photos(rows)).save(part, "PNG")
    first = ", ".join(f"{row.student} {row.issue_probability:.0%}" for row in shown.head(3).itertuples())
    print(f"suspects: {first or 'none'}")


if __name__ == "__main__":
    stage.run(main)
