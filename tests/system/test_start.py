"""What a program loads before its work begins: a heavy library that creeps in makes every start slower.

`python -m benchmarks.startup` measures the seconds.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.field import ROOT
from support.pipeline import STAGES

from benchmarks import startup
from shoepair.data import parquet_files, schemas

TABLES = {"numpy", "pandas", "pandera", "pyarrow", "pydantic"}
PHOTOS = {"numpy", "PIL"}
STATISTICS = {"scipy", "sklearn"}
LIBRARIES = {
    "sample": PHOTOS | {"pydantic"},
    "ingest": TABLES,
    "validate": TABLES | PHOTOS,
    "normalize": TABLES | PHOTOS | {"h5py"},
    "features": TABLES | {"h5py"},  # and torch where a model needs them
    "train_pretrained": TABLES | {"h5py", "torch"},
    "synthetic": PHOTOS | {"pydantic", "h5py"},
    "split": TABLES | PHOTOS,
    "pairs": TABLES,
    "audit": TABLES | STATISTICS | {"h5py"},
    "suspects": TABLES | STATISTICS | {"PIL", "h5py"},
    "train": TABLES | {"h5py", "torch"},
    "evaluate": TABLES | {"h5py", "torch", "scipy"},
    "crossval": TABLES | {"h5py", "torch", "scipy"},
    "sheets": TABLES | PHOTOS | {"h5py"},
    "report": TABLES | {"h5py", "PIL", "jinja2", "matplotlib", "scipy"},
    "analyze": PHOTOS | {"pydantic", "torch", "matplotlib"},
}
# What torch, matplotlib and scikit-learn load of these themselves, by version.
LOADED_BY_OTHERS = {"torch": {"sympy", "networkx"}, "matplotlib": {"PIL"}, "sklearn": {"scipy"}}


def loaded(name: str) -> set[str]:
    program = startup.Program(name, sys.executable, ROOT)
    program.list_modules()
    return set(program.heavy_libraries())


def test_every_stage_has_its_list() -> None:
    assert sorted(LIBRARIES) == STAGES


@pytest.mark.parametrize("stage", LIBRARIES)
def test_stage_loads_only_the_heavy_libraries_of_its_list(stage: str) -> None:
    allowed = LIBRARIES[stage].union(*(LOADED_BY_OTHERS.get(name, set()) for name in LIBRARIES[stage]))
    libraries = loaded(f"stages.{stage}")
    assert libraries <= allowed
    assert LIBRARIES[stage] <= libraries, "no longer loaded: take it from the list"


def test_help_loads_no_heavy_library() -> None:
    assert loaded(startup.HELP) == set()


def test_rows_of_a_table_are_found_without_pandas(tmp_path: Path) -> None:
    """So `shoepair trace` answers within a second."""
    path = tmp_path / "split.parquet"
    rows = pd.DataFrame({"batch": ["a", "a"], "student": ["u1", "u2"], "row": [0, 1], "split": "train"})
    parquet_files.write_table(path, rows, schemas.StudentSplits)
    program = (
        "import sys; from pathlib import Path; from shoepair.data.arrow_columns import read_matching_rows;"
        "found = read_matching_rows(Path(sys.argv[1]), ['row'], {'student': 'u2', 'row': 1});"
        "assert found == [{'row': 1}]; assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, check=True)
