"""A class arrives: a folder of photos becomes a batch of the pipeline, or nothing has changed.

The folder is held against the rules of `validate` before anything is touched; the list of batches, which makes the
batch part of the pipeline, is written last.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML

from shoepair import params, paths, table
from shoepair.errors import ShoepairError


def add(folder: Path, name: str, *, alone: bool) -> dict[str, int]:
    """Check a folder of class photos, copy it to data/raw, track it with DVC, and list it as a batch.

    Args:
        folder: photos as handed in, in sub-folders `train`, `test_m`, `test_w`; those directly in it count as train.
        name: of the batch.
        alone: take all other batches and sample classes from the list, so that real and drawn shoes do not mix.

    Returns:
        The counts of the validation report.

    Raises:
        ShoepairError: the folder breaks a rule, the name is taken or not a name; nothing was changed.
    """
    _refuse_name(name)
    if not folder.is_dir():
        found = f"{folder}: no such folder, expected one of class photos"
        raise ShoepairError(found, fix="give the folder that holds train/, test_m/ and test_w/")
    rows = table.scan(folder)
    accepted = table.check(name, folder, rows, params.load(params.Normalize).edge)
    raw = paths.raw(name)
    try:
        shutil.copytree(folder, raw, copy_function=shutil.copyfile)  # the bytes; no owner, rights or times
        _track(raw)
        _list(name, alone=alone)
    except BaseException:  # also a key pressed: a half-copied class would be taken for a whole one
        shutil.rmtree(raw, ignore_errors=True)
        raw.with_name(f"{name}.dvc").unlink(missing_ok=True)
        raise
    return table.counts(rows, accepted)


def _refuse_name(name: str) -> None:
    batches = params.load_batches()
    if not params.BATCH_NAME.fullmatch(name):
        found = f"--name {name!r}, expected small letters, digits, '-' and '_', 63 at most, letter or digit first"
        raise ShoepairError(found, fix="choose another name")
    if name in batches.batches or name in batches.samples or paths.raw(name).exists():
        found = f"--name {name!r}: this batch is there already"
        raise ShoepairError(found, fix="choose another name; or, if it is the same class, just run `make repro`")


def _track(raw: Path) -> None:
    """Have DVC record the content of the folder; it writes <folder>.dvc for git."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "add", "--quiet", str(raw)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        found = f"{raw}: `dvc add` failed"
        raise ShoepairError(found, problems=done.stderr.splitlines(), fix="run it by hand to see why")


def _list(name: str, *, alone: bool) -> None:
    """Append the batch to data/batches.yaml, or make it the only one; comments stay."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(paths.BATCHES.read_text(encoding="utf-8"))
    if alone:
        document["batches"].clear()
        document["samples"].clear()
    document["batches"].append(name)
    text = StringIO()
    yaml.dump(document, text)
    paths.write_text(paths.BATCHES, text.getvalue())


def doctor() -> list[str]:
    """Hold params.yaml and data/batches.yaml against their forms, and the list against the folders.

    Returns:
        One line per thing that is in order.

    Raises:
        ShoepairError: a file has a mistake, or a batch no photos to come from.
    """
    params.load(params.Train)
    listed = params.load_batches()
    if not listed.batches:
        found = f"{paths.BATCHES}: no batches"
        raise ShoepairError(found, fix="put the name of a folder of data/raw into the list `batches`")
    homeless = [
        f"{name}: no folder {paths.raw(name)} and no sample class of this name"
        for name in listed.batches
        if name not in listed.samples and not paths.raw(name).is_dir() and not _tracked(name)
    ]
    if homeless:
        found = f"{paths.BATCHES}: {len(homeless)} of {len(listed.batches)} batches have no photos"
        fix = "run `dvc pull`, or `shoepair add FOLDER --name NAME`, or take them from the list"
        raise ShoepairError(found, problems=homeless, fix=fix)
    return [f"{paths.PARAMS}: in order", f"{paths.BATCHES}: in order, with photos for {', '.join(listed.batches)}"]


def _tracked(name: str) -> bool:
    return paths.raw(name).with_name(f"{name}.dvc").is_file()
