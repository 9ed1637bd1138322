"""The project's code reads no pickles and runs no text as code or as a shell command."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.field import ROOT

CODE = sorted(path for folder in ("shoepair", "stages", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
# Modules that unpickle (yaml too: it can build any object), and calls that unpickle or run text.
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "torch.package"}
CALLS = {
    *("eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec"),
    *("torch.load", "torch.save", "torch.jit.load", "torch.hub.load"),
    *(
        "os.system",
        "os.popen",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "asyncio.create_subprocess_shell",
    ),
}
METHODS = (".read_pickle", ".to_pickle")
ARGUMENTS = ("shell", "allow_pickle")  # must be the literal False
UNSAFE = {"typ": ("unsafe", "base")}  # of ruamel.yaml's YAML


def breaches(text: str) -> Iterator[str]:
    """Yield each forbidden import, call or argument in the source of a module."""
    nodes = list(ast.walk(ast.parse(text)))
    imported = [pair for node in nodes for pair in _imported(node)]
    known = dict(imported)
    for _, name in imported:
        if any(f"{name}.".startswith(f"{module}.") for module in MODULES):
            yield f"import {name}"
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        first, dot, rest = ast.unparse(node.func).partition(".")
        called = known.get(first, first) + dot + rest
        if called in CALLS or called.endswith(METHODS):
            yield f"{node.lineno}: {called}"
        for word in node.keywords:
            value = getattr(word.value, "value", "known at run time only")
            if (word.arg in ARGUMENTS and value is not False) or value in UNSAFE.get(word.arg or "", ()):
                yield f"{node.lineno}: {word.arg}={value}"


def _imported(node: ast.AST) -> list[tuple[str, str]]:
    """Return the local and the full name of everything that a node imports."""
    if isinstance(node, ast.Import):
        return [(alias.asname, alias.name) if alias.asname else (alias.name, alias.name) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(alias.asname or alias.name, f"{node.module or ''}.{alias.name}") for alias in node.names]
    return []


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_neither_unpickles_nor_runs_text(path: Path) -> None:
    assert list(breaches(path.read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "import pickle as p",
        "from yaml import load",
        "import torch\ntorch.load(path)",
        "import torch as t\nt.load(path)",
        "from torch import load\nload(path)",
        "import torch.package",
        "from torch import package",
        "eval(text)",
        "os.system(text)",
        "import subprocess\nsubprocess.run(text, shell=True)",
        "subprocess.run(text, shell=shell)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "from ruamel.yaml import YAML\nYAML(typ='unsafe')",
    ],
)
def test_breach_is_detected(text: str) -> None:
    assert len(list(breaches(text))) == 1


@pytest.mark.parametrize(
    "text", ["model.eval()", "subprocess.run(words, shell=False)", "YAML(typ='safe')", "re.compile(text)"]
)
def test_harmless_calls_are_no_breach(text: str) -> None:
    assert list(breaches(text)) == []
