"""The project's code reads no pickles and runs no text as code or as a shell command."""

from __future__ import annotations

import ast
import re
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
# Calls of a module that are right: the weights of a pretrained network are published as files that torch alone reads.
# Their digest is compared before, and `weights_only=True` builds nothing but tensors.
ALLOWED = {
    "shoepair/models/pretrained_weights.py": "torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)"
}
METHODS = (".read_pickle", ".to_pickle")
ARGUMENTS = ("shell", "allow_pickle")  # must be the literal False
UNSAFE = {"typ": ("unsafe", "base")}  # of ruamel.yaml's YAML

# Calls that parse a file, and the modules that may: those with limits, and few that read what is known to be good.
READERS = {
    r"json\.loads?\(": {
        "shoepair/runtime/json_files.py",
        "shoepair/training/checkpoints.py",  # after its checksum
        "shoepair/reports/croissant.py",  # a template of the package
        "shoepair/commands/doctor.py",  # whether DVC's lock is JSON at all
        "shoepair/commands/history/stage_records.py",  # what it has just written
    },
    r"\bYAML\(|\b(parse|load)_yaml\(": {
        "shoepair/runtime/yaml_files.py",
        "shoepair/commands/collection/batch_list.py",  # after `load_batch_lists`, to keep comments
        "shoepair/commands/collection/withdrawn.py",  # writes only
        "shoepair/commands/collection/purging/records.py",  # all records in git, as DVC reads them
        "shoepair/commands/doctor.py",  # whether DVC can read its own records
    },
    r"read_parquet\(|parquet\.(read_|ParquetFile|ParquetDataset)|\bpq\.": {
        "shoepair/data/arrow_columns.py",
        "shoepair/data/parquet_files.py",
    },
    r"read_csv\(|csv\.(reader|DictReader)\(": {"shoepair/reports/results.py"},
    r"h5py\.File\(": {"shoepair/data/store.py"},
    r"from safetensors|safe_open": {"shoepair/models/registry.py", "shoepair/training/checkpoints.py"},
    r"np\.load\(|loadtxt\(|tomli?\.load": {"shoepair/commands/collection/purging/contents.py"},  # pixels, mapped
}


def breaches(text: str, allowed: str = "") -> Iterator[str]:
    """Yield each forbidden import, call or argument in the source of a module, but for one call."""
    nodes = list(ast.walk(ast.parse(text)))
    imported = [pair for node in nodes for pair in _imported(node)]
    known = dict(imported)
    for _, name in imported:
        if any(f"{name}.".startswith(f"{module}.") for module in MODULES):
            yield f"import {name}"
    for node in nodes:
        if not isinstance(node, ast.Call) or ast.unparse(node) == allowed:
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
    allowed = ALLOWED.get(path.relative_to(ROOT).as_posix(), "")
    assert list(breaches(path.read_text(), allowed)) == []


@pytest.mark.parametrize("call", READERS)
def test_each_kind_of_file_is_read_in_one_way(call: str) -> None:
    library = [path for path in CODE if not path.is_relative_to(ROOT / "benchmarks")]
    found = {path.relative_to(ROOT).as_posix() for path in library if re.search(call, path.read_text())}
    assert found <= READERS[call], "read it through the module of its kind, which has limits and one message"


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
