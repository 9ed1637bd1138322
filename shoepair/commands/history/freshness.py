"""Whether recorded figures are those of the class and the parameters beside them: read from records alone.

After `shoepair add`, `remove` or `forget`, and after an edit of a parameter, `metrics/` has the figures of before
until `dvc repro` has run. Compared are names, parameters and digests that stand in `data/batches.yaml`, `params.yaml`,
the .dvc files and `dvc.lock`; no photo is read and DVC is not loaded, so it takes no time, and works in a clone
without photos and for any commit. Edited code is not seen: `dvc status` compares it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from shoepair.runtime import input_files, paths, yaml_files
from shoepair.runtime.parameter_files import flatten

LOCK_PATH = Path("dvc.lock")
REPAIR_HINT = "run `shoepair doctor`, or `git checkout` the file"
BATCH_STAGES = ("ingest", "validate", "normalize", "features")
COMMON_STAGES = ("synthetic", "split", "pairs", "evaluate")
ReadFile = Callable[[Path], bytes | None]


def read_workspace_file(path: Path) -> bytes | None:
    """Read a file of the workspace; None if it is missing."""
    return input_files.read_bytes(path, yaml_files.MAX_RECORD_BYTES, REPAIR_HINT) if path.is_file() else None


def find_outdated_reasons(read_file: ReadFile = read_workspace_file) -> list[str]:
    """List what has changed since the recorded figures were computed; [] if nothing, or if there is no record.

    Args:
        read_file: returns the content of a file of the project, None if it is missing: of the workspace or a commit.
    """
    stages = _read_yaml(read_file, LOCK_PATH).get("stages", {})
    if "evaluate" not in stages:
        return []
    listed = _read_yaml(read_file, paths.BATCH_LIST)
    batches = [str(batch) for batch in listed.get("batches") or []]
    values = dict(flatten(_read_yaml(read_file, paths.PARAMS)))
    trained = dict(zip(paths.TRAINING_STAGES, (values.get("models"), values.get("pretrained.models")), strict=True))
    names = [
        *(f"{stage}@{batch}" for batch in batches for stage in BATCH_STAGES),
        *(f"{stage}@{model}" for stage, models in trained.items() for model in models or []),
        *COMMON_STAGES,
    ]
    records = {name: stages[name] for name in names if name in stages}
    reasons = [*_batch_reasons(batches, stages), *_photo_reasons(batches, records, read_file)]
    reasons += [*_parameter_reasons(records.values(), values), *_unfinished_reasons(records)]
    return list(dict.fromkeys(reasons))


def _read_yaml(read_file: ReadFile, path: Path) -> dict[str, Any]:
    content = read_file(path)
    return yaml_files.parse_mapping(content, str(path), REPAIR_HINT) if content else {}


def _batch_reasons(batches: list[str], stages: Mapping[str, Any]) -> Iterator[str]:
    """Yield which batches came and went since the students were split."""
    recorded = _parameters(stages.get("split", {}), paths.BATCH_LIST).get("batches", batches)
    yield from (f"batch {batch!r} is new" for batch in batches if batch not in recorded)
    yield from (f"batch {batch!r} is gone" for batch in recorded if batch not in batches)
    if recorded != batches and {*recorded} == {*batches}:
        yield "the batches are in another order"


def _photo_reasons(batches: list[str], records: Mapping[str, Any], read_file: ReadFile) -> Iterator[str]:
    """Yield the batches whose tracked photos are others than those that were listed."""
    for batch in batches:
        tracked = _read_yaml(read_file, paths.raw_path(batch).with_name(f"{batch}.dvc"))
        digest = next((entry.get("md5") for entry in tracked.get("outs") or []), None)
        listed = _digests(records.get(f"ingest@{batch}", {}), "deps").get(paths.raw_path(batch).as_posix(), digest)
        if digest is not None and digest != listed:
            yield f"the photos of batch {batch!r} changed"


def _parameter_reasons(records: Any, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parameters whose values are others than recorded."""
    for record in records:
        for name, recorded in _parameters(record, paths.PARAMS).items():  # a section, or a key such as train.threads
            items = flatten(recorded, f"{name}.") if isinstance(recorded, dict) else [(name, recorded)]
            for key, value in items:
                if key in values and values[key] != value:
                    yield f"{key} was {value}, is {values[key]}"


def _unfinished_reasons(records: Mapping[str, Any]) -> Iterator[str]:
    """Yield the stages that have not run since one before them gave other outputs."""
    outputs = {path: digest for record in records.values() for path, digest in _digests(record, "outs").items()}
    for name, record in records.items():
        if any(outputs.get(path, digest) != digest for path, digest in _digests(record, "deps").items()):
            yield f"stage {name} has not run since"


def _parameters(record: Mapping[str, Any], path: Path) -> dict[str, Any]:
    return dict((record.get("params") or {}).get(path.as_posix()) or {})


def _digests(record: Mapping[str, Any], entry_type: str) -> dict[str, str]:
    return {entry["path"]: entry.get("md5", "") for entry in record.get(entry_type) or []}
