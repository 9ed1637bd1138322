"""What dvc.yaml declares for a stage: parameters, dependencies and outputs, as DVC compares and records them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shoepair.runtime import parameter_files, paths
from shoepair.runtime.errors import ShoepairError

PIPELINE_FILE = Path("dvc.yaml")


@dataclass(frozen=True)
class Declaration:
    """The entry of one stage in dvc.yaml: its command, the keys of each parameter file, dependencies and outputs."""

    command: str
    parameter_keys: Mapping[Path, Sequence[str]]
    dependencies: Sequence[Path]
    outputs: Sequence[Path]


def read_declaration(stage: str, argument: str = "") -> Declaration:
    """Read the entry of a stage from dvc.yaml, for one batch or model if it has one for each.

    Raises:
        ShoepairError: dvc.yaml has no such stage.
    """
    stages = parameter_files.read_yaml(PIPELINE_FILE).get("stages", {})
    if stage not in stages:
        message = f"{PIPELINE_FILE}: no stage {stage!r}"
        raise ShoepairError(message, fix=f"`git checkout {PIPELINE_FILE}`")
    entry = stages[stage].get("do", stages[stage])
    keys: dict[Path, list[str]] = {}
    for item in entry.get("params", []):
        for file, names in (item if isinstance(item, dict) else {paths.PARAMS: [item]}).items():
            keys.setdefault(Path(file), []).extend(_fill_in(name, argument) for name in names)
    outputs = [*entry.get("outs", []), *entry.get("metrics", [])]
    names = [next(iter(item)) if isinstance(item, dict) else item for item in outputs]  # a mapping has its options
    return Declaration(
        _fill_in(entry["cmd"], argument),
        keys,
        [Path(_fill_in(name, argument)) for name in entry.get("deps", [])],
        [Path(_fill_in(name, argument)) for name in names],
    )


def _fill_in(text: str, argument: str) -> str:
    return text.replace("${item}", argument).replace("${key}", argument)
