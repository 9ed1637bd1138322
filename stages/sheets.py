"""Stage sheets: normalized photos of a batch -> a contact sheet per student, and a table of pairs of photos.

Reads   data/store/<batch>.h5
Writes  reports/photos/<batch>/: <student>.jpg, pairs.parquet; layouts in shoepair/data/contact_sheets.py
"""

from shoepair.data import contact_sheets
from shoepair.data.wording import count_with_noun
from shoepair.runtime import paths, stage


def main(batch: str) -> None:
    """Write the contact sheets and pairs of photos of a batch."""
    students, length = contact_sheets.write_sheets(batch, paths.sheets_path(batch))
    print(f"sheets {batch}: {count_with_noun(students, 'student')}, {length / 1e6:.1f} MB")


if __name__ == "__main__":
    stage.run(main)
