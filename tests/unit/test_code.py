"""What the project's own code must not do: read pickles, run text as code or as a shell command."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.field import ROOT

CODE = sorted(path for folder in ("shoepair", "stages", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
# Modules that unpickle (yaml too: it builds any object it is told to), and calls that do, or run what they are given.
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
ARGUMENTS = ("shell", "allow_pickle")  # may be False, and nothing that is known only when it runs
UNSAFE = {"typ": ("unsafe", "base")}  # of ruamel.yaml's YAML


def breaches(text: str) -> Iterator[str]:
    """What of this a module does."""
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
            value = getattr(word.value, "value", "what is known when it runs")
            if (word.arg in ARGUMENTS and value is not False) or value in UNSAFE.get(word.arg or "", ()):
                yield f"{node.lineno}: {word.arg}={value}"


def _imported(node: ast.AST) -> list[tuple[str, str]]:
    """The names that an import makes known, each with what it stands for."""
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
def test_breach_would_be_seen(text: str) -> None:
    assert len(list(breaches(text))) == 1


@pytest.mark.parametrize(
    "text", ["model.eval()", "subprocess.run(words, shell=False)", "YAML(typ='safe')", "re.compile(text)"]
)
def test_what_is_no_breach_is_not_told(text: str) -> None:
    assert list(breaches(text)) == []
