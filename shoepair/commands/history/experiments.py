"""`shoepair experiments`: DVC's experiments side by side, by the parameters that differ and the best model.

`dvc exp show` has a column for each metric, parameter and dependency, hundreds of characters wide; it has two columns
named `models`, a parameter and a folder, and fails where one of them is left out.
"""

from __future__ import annotations

from typing import Any

import dvc.api

from shoepair.commands import version_control
from shoepair.data.naming import TEST_SPLITS
from shoepair.runtime import parameter_files, paths

SPLITS = ("valid", *TEST_SPLITS)


def list_experiments() -> list[dict[str, Any]]:
    """List the workspace, the commit that it is based on, and the experiments on top of it.

    Returns:
        One entry each: `name`; `parameters`, those that differ between entries; `model`, the best one by validation,
        or None if it was not evaluated; `accuracies`, its balanced accuracies by split.

    Raises:
        NoRepositoryError: the project lies in no git repository.
    """
    version_control.run_git("rev-parse", "HEAD")
    rows = dvc.api.exp_show(force=True)
    keys = [key for key, _ in parameter_files.flatten(parameter_files.read_yaml(paths.PARAMS)) if key != "models"]
    varied = [key for key in keys if len({str(row.get(key)) for row in rows}) > 1]
    return [
        {
            "name": row.get("Experiment") or row["rev"],
            "parameters": {key: row.get(key) for key in varied},
            "model": row.get("best.model"),
            "accuracies": {split: row.get(f"best.{split}") for split in SPLITS},
        }
        for row in rows
    ]
