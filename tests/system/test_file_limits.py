"""Files that are small and would take gigabytes: memory of a process that reads them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from support.memory import PRINT_PEAK

from shoepair.data import parquet_files, schemas

MAX_MEGABYTES = 600  # of a process, with pandas and Arrow
READER = """
import sys
from pathlib import Path
from shoepair.data import parquet_files, schemas
from shoepair.runtime import json_files
from shoepair.runtime import yaml_files
from shoepair.runtime.errors import ShoepairError
path = Path(sys.argv[1])
try:
    if path.suffix == ".parquet":
        parquet_files.read_table(path, schemas.Scores)
    elif path.suffix == ".json":
        json_files.read_json(path, "")
    else:
        yaml_files.read_mapping(path, "")
except ShoepairError as error:
    print(str(error).splitlines()[0], end=" ")
"""


def write_texts(path: Path) -> None:
    """Write two million times a text of 100 kB: 200 GB."""
    indices = arrow.repeat(arrow.scalar(0, arrow.int32()), 2_000_000)
    column = arrow.DictionaryArray.from_arrays(indices, arrow.array(["x" * 100_000]))
    parquet.write_table(arrow.table({"a": column}), path, store_schema=False)


def write_zeros(path: Path) -> None:
    """Write a column of 2 GB of zeros, in pages that zstd reduces to nothing."""
    schema = arrow.schema({"a": arrow.int64()})
    with parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
        rows = arrow.table({"a": arrow.repeat(arrow.scalar(0, arrow.int64()), 4_000_000)})
        for _ in range(64):
            writer.write_table(rows)


def write_lists(path: Path) -> None:
    """Write 2.7 million empty lists, each of which takes thirty times its length."""
    path.write_text('{"a": [' + "[]," * 2_700_000 + "[]]}")


def write_aliases(path: Path) -> None:
    """Write a document of 2^900 numbers once its aliases are unfolded."""
    path.write_text("a: &a0 [1]\n" + "".join(f"{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 900)))


FILES: dict[str, Callable[[Path], object]] = {
    "texts.parquet": write_texts,
    "zeros.parquet": write_zeros,
    "lists.json": write_lists,
    "deep.json": lambda path: path.write_text('{"a": ' + "[" * 4_000_000),
    "aliases.yaml": write_aliases,
    "brackets.yaml": lambda path: path.write_text("a: " + "[" * 1_000_000),
}


@pytest.mark.parametrize("name", FILES)
def test_small_file_takes_no_more_memory_than_a_table_does(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    FILES[name](path)
    assert path.stat().st_size < 2**23
    command = [sys.executable, "-c", READER + PRINT_PEAK, str(path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(output.split()[-1]) < MAX_MEGABYTES, output
    assert name == "lists.json" or output.startswith(str(path)), output


PIECES_READER = """
import sys
from pathlib import Path
from shoepair.data import parquet_files, schemas
for piece in parquet_files.iter_table_pieces(Path(sys.argv[1]), schemas.Scores, ["student", *sys.argv[2:]]):
    pass
"""


def test_a_table_in_pieces_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path, rng = tmp_path / "scores.parquet", np.random.default_rng(1)
    columns = ("valid", "a", "u1", 0, 1, 1, 1, True, "", 0.1)
    rows = pd.DataFrame([columns] * 30_000, columns=list(schemas.Scores.to_schema().columns))
    parquet_files.write_table(path, rows.assign(model=[rng.bytes(2000).hex() for _ in rows.index]), schemas.Scores)
    assert path.stat().st_size > 110_000_000
    commands = ([sys.executable, "-c", PIECES_READER + PRINT_PEAK, str(path), *more] for more in ([], ["model"]))
    peaks = [int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) for command in commands]
    assert peaks[1] - peaks[0] < 90, "pieces of 16 MB, and what Arrow and pandas make of them"
