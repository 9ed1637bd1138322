"""Targets of the fuzzer that read tables, model cards with weights, the decision rule, lists, and records of DVC.

The readers run in an empty folder in place of a project.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
from safetensors.torch import save as serialized

from shoepair.commands import dvc_records
from shoepair.commands.collection import withdrawn
from shoepair.data import parquet_files, schemas
from shoepair.evaluation import thresholds
from shoepair.models import registry
from shoepair.runtime import batch_names, batches, json_files, paths
from shoepair.runtime.errors import ShoepairError

MODEL = "cnn"
CARD_LENGTH = struct.Struct("<I")  # an input of target "card" is this, the card, the weights
SEPARATOR = b"\0"  # between the two lists of target "list"
STUDENTS = {"students": 20, "wrong": 1, "low": 0.01, "high": 0.25}
RATES = {"answered": 0.5, "wrong": None, "sure": 0, "sure_wrong": 0.05, "same": STUDENTS, "different": STUDENTS}
RULE = {
    **{"format": 2, "model": MODEL, "temperature": 1.5, "same_above": 0.9, "different_below": 0.1},
    **{
        "sure_same_above": 0.95,
        "sure_different_below": 0.05,
        "scores": "valid",
        "students": 20,
        "missing_students": 39,
    },
    "learning": {"photographed": 60, "drawn": 0, "tested": 20, "right": 0.9, "low": 0.8, "high": None},
    "says": "limits",
}
TEXT_BYTES = 1000  # of an input in which values are replaced
VALUE = re.compile(rb'"[^"\0]*"|[A-Za-z0-9_.+-]+')
VALUES = (
    *(b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"1000000000", b"1e-320", b"9" * 5000, b"0x" + b"f" * 5000),
    *(b"null", b"true", b"~", b"yes", b"2026-99-99", b"1:2:3", b".inf", b"!!binary x", b"!!python/name:os.system"),
    *(b'"\\ud800"', b'"\\u0000"', b'"\\u001b[2J"', b'"../../etc/passwd"', b'"/etc/passwd"', b"\xff", b"\xef\xbb\xbf"),
    *(b"[]", b"{}", b"[" * 200 + b"]" * 200, b"[" * 5000, b'{"a":' * 40 + b"1" + b"}" * 40, b"&a [*a]", b"<<: *a"),
    *(
        b'"' + b"x" * 20_000 + b'"',
        b'"u1", "u1"',
        b"b: 1, b",
        b"? [a]",
        b"- -",
        b"%YAML 1.1",
        b"--- a",
        b"#",
        b"\t",
        b"|",
    ),
)
LISTS = (
    "batches: [a, b-2]\nsynthetic_classes: {b-2: {students: 9, test_students: 2, seed: 1}}\n",
    "# order\nbatches:\n  - &x a\n  - *x\nsynthetic_classes: {}\n",
    'batches: ["a", !!str b, 0x10, 1:30, 2026-01-01, .inf, ~]\nsynthetic_classes: {<<: {a: 1}}\n',
)
WITHDRAWN = ("a: [u001, u2]\nb: []\n", "? a\n: - u1\n", "a:\n- u052\n- u052\n")
RECORD = """schema: '2.0'
stages:
  train@cnn:
    cmd: python -m stages.train cnn
    deps:
    - {path: data/raw/a, hash: md5, md5: 0123456789abcdef0123456789abcdef.dir, nfiles: 6}
    params: {params.yaml: {lr: 0.001, models: [cnn]}}
    outs:
    - path: models/cnn.json
      md5: 0123456789abcdef0123456789abcdef
"""


def mutate_values(data: bytes, rng: np.random.Generator) -> bytes:
    """Return an input with one to three values replaced in a text, or bits turned in a table or in weights."""
    for _ in range(int(rng.integers(1, 4))):
        words = [] if data.startswith(b"PAR1") or rng.random() < 0.1 else list(VALUE.finditer(data[:TEXT_BYTES]))
        if words:
            word = words[rng.integers(len(words))]
            data = data[: word.start()] + VALUES[rng.integers(len(VALUES))] + data[word.end() :]
        else:
            position = int(rng.integers(len(data)))
            data = data[:position] + bytes([data[position] ^ 1 << int(rng.integers(8))]) + data[position + 1 :]
    return data


def table_seeds() -> list[bytes]:
    """Return tables of two schemas, and Parquet files of other forms."""
    pair = {"split": "train", "batch": "a", "student": "u1", "row": 0, "left": 1, "right": 1, "same": 1}
    scores = pd.DataFrame([pair | {"standard": True, "model": name, "logit": 0.5} for name in ("cnn", "siamese")] * 20)
    manifest = {"path": "a.jpg", "subset": "train", "student": "u1", "pair": 1, "side": "left", "category": "m"}
    files = pd.DataFrame([manifest | {"bytes": 3, "sha256": "0f", "ignored": False, "error": None}] * 2)
    seeds = [
        parquet_files.encode_table(scores, schemas.Scores),
        parquet_files.encode_table(scores[:0], schemas.Scores),
        parquet_files.encode_table(files.assign(pair=pd.Series([1, None])), schemas.Manifest),
    ]
    table = parquet.read_table(io.BytesIO(seeds[0]))
    for options in (
        {"compression": "zstd"},
        {"compression": "none", "use_dictionary": False, "row_group_size": 9},
        {"use_dictionary": False, "column_encoding": {"student": "DELTA_BYTE_ARRAY", "row": "DELTA_BINARY_PACKED"}},
        {"data_page_version": "2.0", "write_page_index": True},
    ):
        buffer = io.BytesIO()
        parquet.write_table(table, buffer, **options)
        seeds.append(buffer.getvalue())
    buffer = io.BytesIO()
    parquet.write_table(arrow.table({"a": [[1], [2, 3]], "b": [{"c": 1}, None]}), buffer)
    return [*seeds, buffer.getvalue()]


def read_table(data: bytes, folder: Path) -> None:
    """Read a table of any columns, and of two schemas; a table that is read holds what its schema says."""
    path = folder / "a.parquet"
    path.write_bytes(data)
    with contextlib.suppress(ShoepairError):
        parquet_files.read_table(path, schemas.Manifest)
    with contextlib.suppress(ShoepairError):
        parquet_files.read_any_table(path).to_pylist()
    rows = parquet_files.read_table(path, schemas.Scores)
    if not rows["logit"].abs().lt(float("inf")).all() or not set(rows["same"]) <= {0, 1}:
        message = f"rows of {rows.dtypes}"
        raise AssertionError(message)


def card_seeds() -> list[bytes]:
    """Return model cards with the weights that belong to them."""
    seeds = []
    for batch_norm in (False, True):
        model = registry.build_model(MODEL, registry.ModelConfig(n=1, edge=16, batch_norm=batch_norm), 1)
        fields = {
            "format": 2,
            "model": MODEL,
            "layers": model.config.model_dump(),
            "parameters": 9,
            "epoch": {"a": 0.5},
        }
        card = json.dumps(fields).encode()
        seeds.append(CARD_LENGTH.pack(len(card)) + card + serialized(registry.copy_weights(model)))
    return seeds


def read_card(data: bytes, folder: Path) -> None:
    """Load a model from a card and weights; its weights are finite."""
    length = CARD_LENGTH.unpack(data[:4].ljust(4, b"\0"))[0]
    with contextlib.chdir(folder):
        paths.weights_path(MODEL).parent.mkdir(exist_ok=True)
        paths.model_card_path(MODEL).write_bytes(data[4 : 4 + length])
        paths.weights_path(MODEL).write_bytes(data[4 + length :])
        model = registry.load_model(MODEL)
    if not all(tensor.isfinite().all() for tensor in model.state_dict().values()):
        message = "a weight is not finite"
        raise AssertionError(message)


def decision_seeds() -> list[bytes]:
    """Return decision rules."""
    return [
        json.dumps(RULE | {"sets": sets}, indent=indent).encode()
        for sets in ({}, {"valid": RATES})
        for indent in (None, 2)
    ]


def read_decision(data: bytes, folder: Path) -> None:
    """Read a decision rule; its probabilities are numbers, and what is printed is JSON."""
    with contextlib.chdir(folder):
        paths.THRESHOLDS.parent.mkdir(exist_ok=True)
        paths.THRESHOLDS.write_bytes(data)
        rule = thresholds.read_decision_rule()
    if not 0 <= rule.calibrated_probability(3.5) <= 1:
        message = f"{rule}"
        raise AssertionError(message)
    json_files.format_json(rule.model_dump()).encode()
    rule.says.encode()


def list_seeds() -> list[bytes]:
    """Return lists of batches and of withdrawn students."""
    return [SEPARATOR.join((first.encode(), second.encode())) for first in LISTS for second in WITHDRAWN]


def read_list(data: bytes, folder: Path) -> None:
    """Read the list of batches and that of withdrawn students; every batch is a name."""
    first, _, second = data.partition(SEPARATOR)
    with contextlib.chdir(folder):
        paths.BATCH_LIST.parent.mkdir(exist_ok=True)
        paths.BATCH_LIST.write_bytes(first)
        paths.WITHDRAWN_LIST.write_bytes(second)
        with contextlib.suppress(ShoepairError):
            withdrawn.withdrawn_students_by_batch()
        listed = batches.load_batch_lists()
    if not all(batch_names.BATCH_NAME_PATTERN.fullmatch(name) for name in listed.batches):
        message = f"{listed}"
        raise AssertionError(message)


def record_seeds() -> list[bytes]:
    """Return records of DVC: dvc.lock, and the listing of a folder."""
    listing = [{"md5": "0123456789abcdef0123456789abcdef", "relpath": "train/u001_1_left_m.jpg"}]
    return [RECORD.encode(), json.dumps(listing).encode()]


def read_record(data: bytes, folder: Path) -> None:
    """Read dvc.lock, and a folder's listing."""
    with contextlib.chdir(folder):
        dvc_records.LOCK_PATH.write_bytes(data)
        with contextlib.suppress(ShoepairError):
            dvc_records.read_digest_by_path("outs")
        if any(
            not isinstance(digest, str)
            for digest in dvc_records.read_cached_folder_digests(dvc_records.LOCK_PATH).values()
        ):
            message = "a digest that is no text"
            raise AssertionError(message)


TARGETS: dict[str, tuple[Callable[[], list[bytes]], Callable[[bytes, Path], None]]] = {
    "table": (table_seeds, read_table),
    "card": (card_seeds, read_card),
    "decision": (decision_seeds, read_decision),
    "list": (list_seeds, read_list),
    "record": (record_seeds, read_record),
}
