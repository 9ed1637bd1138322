"""What an output was made of: digests of data and code, parameters and versions of libraries, as in dvc.lock."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from shoepair.commands.history import lock_lines
from shoepair.runtime import file_digests
from shoepair.runtime.errors import ShoepairError

CODE_FOLDERS = ("shoepair", "stages")
VERSIONS_FILE, VERSIONS_PREFIX = "pyproject.toml", "tool.shoepair.results."


def find_stage(path: str) -> str | None:
    """Return the stage that made an output: its path, without the extension too; None if no record has it."""
    wanted = PurePosixPath(path.removeprefix("./").rstrip("/"))
    for stage, outs in lock_lines.read_outs_by_stage().items():
        if any(PurePosixPath(out) == wanted or PurePosixPath(out).with_suffix("") == wanted for out in outs):
            return stage
    return None


def describe_origin(path: str) -> dict[str, Any]:
    """Return what an output was made of.

    Args:
        path: of a recorded output, such as models/siamese.safetensors, or models/siamese.

    Returns:
        `stage`, `command`; `outputs`, `data` and `code`: digest by path; `parameters`: values by file; `libraries`:
        versions by name; `changed`: outputs that are no longer as they were recorded, or missing.

    Raises:
        ShoepairError: no record has such an output.
    """
    stage = find_stage(path)
    if stage is None:
        message = f"{path}: no output that dvc.lock records"
        raise ShoepairError(message, fix="expected one like models/siamese; `dvc repro` records what it makes")
    record = lock_lines.read_stage(stage)
    deps, outs = ({entry["path"]: entry["md5"] for entry in record.get(key, [])} for key in ("deps", "outs"))
    code = {name: digest for name, digest in deps.items() if PurePosixPath(name).parts[0] in CODE_FOLDERS}
    parameters = {file: dict(values) for file, values in record.get("params", {}).items()}
    groups = parameters.pop(VERSIONS_FILE, {})
    return {
        "stage": stage,
        "command": record.get("cmd", ""),
        "outputs": outs,
        "data": {name: digest for name, digest in deps.items() if name not in code},
        "code": code,
        "parameters": parameters,
        "libraries": {name: version for group in groups.values() for name, version in sorted(group.items())},
        "changed": [out for out, digest in outs.items() if not _is_as_recorded(Path(out), digest)],
    }


def _is_as_recorded(path: Path, digest: str) -> bool:
    """Return whether an output has its recorded digest; of a folder, whether it exists."""
    return (
        path.is_dir()
        if digest.endswith(file_digests.DIRECTORY_SUFFIX)
        else (path.is_file() and file_digests.compute_md5(path) == digest)
    )


def format_origin(origin: dict[str, Any]) -> str:
    """Format what `describe_origin` returns for the terminal: a line for each digest, parameter file and library."""
    lines = [f"made by stage {origin['stage']}: {origin['command']}"]
    for title, key in (("output", "outputs"), ("data", "data"), ("code", "code")):
        lines += [f"{title:9}  {digest:36}  {name}" for name, digest in origin[key].items()]
    for file, values in origin["parameters"].items():
        lines += [f"parameter  {file}: {name} = {value}" for name, value in values.items()]
    lines += [f"library    {name} {version}" for name, version in origin["libraries"].items()]
    lines += [f"changed    {name} is not as it was recorded" for name in origin["changed"]]
    return "\n".join(lines)
