"""What the project's own code must not do: read pickles, run text as code or as a shell command."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

CODE = sorted(path for folder in ("shoepair", "stages", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
# Modules that unpickle (yaml too: it builds any object it is told to), and calls that do, or run what they are given.
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "torch.save",
    "pd.read_pickle",
    "os.system",
    "os.popen",
}
ARGUMENTS = {"shell": True, "allow_pickle": True}


def breaches(text: str) -> Iterator[str]:
    """What of this a module does, with the line."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
            if called in CALLS or called.endswith((".read_pickle", ".loads_pickle")):
                yield f"{node.lineno}: {called}"
            yield from (
                f"{node.lineno}: {word}={value}" for word, value in ARGUMENTS.items() if given.get(word) is value
            )
            continue
        else:
            continue
        yield from (f"{node.lineno}: import {name}" for name in names if name.partition(".")[0] in MODULES)


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_neither_unpickles_nor_runs_text(path: Path) -> None:
    assert list(breaches(path.read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from yaml import load",
        "import torch\ntorch.load(path)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
    ],
)
def test_breach_would_be_seen(text: str) -> None:
    assert len(list(breaches(text))) == 1
