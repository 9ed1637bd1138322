"""What a stage reads is what DVC compares and records: odd documents, read by both."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

import pytest
from dvc.dependency.param import read_param_file
from dvc.fs import localfs
from ruamel.yaml.error import MantissaNoDotYAML1_1Warning
from support.field import ROOT, edit
from support.pipeline import STAGES

from shoepair.runtime import parameter_files, params, paths, stage_declaration, stage_inputs
from shoepair.runtime.batches import load_batch_lists
from shoepair.runtime.errors import ShoepairError

DEEP = 3_000
# A line of params.yaml -> what stands there instead.
ODD_LINES: dict[str, tuple[str, ...]] = {
    "duplicate key": ("\nseed: 1 ", "\nseed: 1\nseed: 2 #"),
    "duplicate key in a section": ("  salt: shoes ", "  salt: shoes\n  salt: boots #"),
    "duplicate section": ("\nsplit:\n", "\nsplit: {salt: a}\nsplit:\n"),
    "anchor of a number": ("lr: 4.0e-3 ", "lr: &lr 4.0e-3 #"),
    "alias": ("\nlr: 4.0e-3 ", "\nlr: &x 4.0e-3 ", "\nweight_decay: 0.0 ", "\nweight_decay: *x "),
    "alias of a key": ("\nlr: 4.0e-3 ", "\n&x lr: 4.0e-3 ", "\nweight_decay: 0.0 ", "\n*x : 0.0 "),
    "unknown alias": ("lr: 4.0e-3 ", "lr: *nowhere #"),
    "merge": ("\nsplit:\n", "\nsplit:\n  <<: {salt: boots}\n"),
    "merge that only fills": ("  salt: shoes ", "  <<: {salt: boots} #"),
    "merge of a list": ("  salt: shoes ", "  <<: [{salt: boots}, {salt: socks}] #"),
    "merge of an anchor": ("\nvalidate:\n", "\nvalidate: &v\n", "\nsynthetic: ", "\nsynthetic:\n  <<: *v #"),
    "merge twice": ("  salt: shoes ", "  <<: {salt: boots}\n  <<: {salt: socks} #"),
    "merge of a number": ("  salt: shoes ", "  <<: 3 #"),
    "merge at the top": ("\nseed: 1 ", "\n<<: {seed: 3}\n#"),
    "itself": ("\nsplit:\n", "\nother: &o {a: *o}\nsplit:\n"),
    "section that contains itself": ("\nsplit:\n", "\nsplit: &s\n  more: *s\n"),
    "dotted key": ("\nseed: 1 ", "\nsplit.salt: x\nseed: 1 "),
    "dotted key for a section": ("  salt: shoes ", "  salt.x: shoes "),
    "dotted key instead of one": ("  valid: 0.20 ", "  'valid.': 0.20 "),
    "quoted key": ("\nseed: 1 ", '\n"seed": 1 '),
    "question mark key": ("\nseed: 1 ", "\n? seed\n: 1 "),
    "key with a space": ("\nseed: 1 ", "\n'seed ': 1 "),
    "empty key": ("\nseed: 1 ", "\n'': 3\nseed: 1 "),
    "key of a number": ("\nseed: 1 ", "\n1: 3\nseed: 1 "),
    "key of a truth value": ("\nseed: 1 ", "\ntrue: 3\nseed: 1 "),
    "key of nothing": ("\nseed: 1 ", "\n~: 3\nseed: 1 "),
    "key of a list": ("\nseed: 1 ", "\n? [a, b]\n: 3\nseed: 1 "),
    "key of bytes": ("\nseed: 1 ", "\n!!binary bHI=: 3\nseed: 1 "),
    "number key in a section": ("  salt: shoes ", "  1: a\n  salt: shoes "),
    "key with a star": ("\nseed: 1 ", "\n'*': 3\nseed: 1 "),
    "key with an escape": ("\nseed: 1 ", '\n"a\\e[2Jb\\nc": 3\nseed: 1 '),
    "tab as indent": ("  salt: shoes ", "\tsalt: shoes "),
    "tab behind the colon": ("\nseed: 1 ", "\nseed:\t1 "),
    "exponent without a point": ("lr: 4.0e-3 ", "lr: 1e-3 "),
    "exponent without a point, large": ("lr: 4.0e-3 ", "lr: 1E-03 "),
    "octal of YAML 1.1": ("\nepochs: 80 ", "\nepochs: 010 "),
    "octal": ("\nepochs: 80 ", "\nepochs: 0o10 "),
    "hexadecimal": ("\nepochs: 80 ", "\nepochs: 0x10 "),
    "binary": ("\nepochs: 80 ", "\nepochs: 0b11 "),
    "underscores": ("\nepochs: 80 ", "\nepochs: 1_0 "),
    "sexagesimal": ("\nepochs: 80 ", "\nepochs: 1:20 "),
    "plus sign": ("\nepochs: 80 ", "\nepochs: +80 "),
    "zero in front": ("\nseed: 1 ", "\nseed: 08 "),
    "whole number for a fraction": ("lr: 4.0e-3 ", "lr: 1 "),
    "fraction for a whole number": ("\nepochs: 80 ", "\nepochs: 80.0 "),
    "yes": ("  tta: true ", "  tta: yes "),
    "on": ("  tta: true ", "  tta: on "),
    "True": ("  tta: true ", "  tta: True "),
    "y": ("  tta: true ", "  tta: y "),
    "null": ("\nseed: 1 ", "\nseed: ~ "),
    "nothing": ("\nseed: 1 ", "\nseed: #"),
    "infinity": ("lr: 4.0e-3 ", "lr: .inf "),
    "infinity by size": ("lr: 4.0e-3 ", "lr: 1e999 "),
    "no number": ("lr: 4.0e-3 ", "lr: .NaN "),
    "very small": ("lr: 4.0e-3 ", "lr: 5e-324 "),
    "large number": ("\nseed: 1 ", f"\nseed: {'9' * 40} "),
    "very large number": ("\nseed: 1 ", f"\nseed: {'9' * 5_000} "),
    "many digits": ("lr: 4.0e-3 ", f"lr: 0.{'1' * 5_000} "),
    "date": ("  salt: shoes ", "  salt: 2026-11-24 "),
    "impossible date": ("  salt: shoes ", "  salt: 2026-99-99 "),
    "impossible time zone": ("  salt: shoes ", "  salt: 2026-11-24 00:00:00 +99:99 "),
    "text like a number": ("  salt: shoes ", "  salt: '007' "),
    "text of several lines": ("  salt: shoes ", "  salt: >-\n    a\n    b\n#"),
    "text with line breaks": ("  salt: shoes ", "  salt: |\n    a\n    b\n#"),
    "text with odd line ends": ("  salt: shoes ", '  salt: "a\\Nb\\Lc\\Pd" '),
    "text with odd line ends as they are": ("  salt: shoes ", "  salt: 'a\u2028b\x85c' "),
    "half of a pair": ("  salt: shoes ", '  salt: "\\ud800" '),
    "tag of a number": ("\nseed: 1 ", '\nseed: !!int "3" '),
    "tag of a fraction": ("lr: 4.0e-3 ", "lr: !!float 1 "),
    "tag of a text": ("  salt: shoes ", "  salt: !!str 3 "),
    "wrong tag": ("\nseed: 1 ", "\nseed: !!int x "),
    "unknown tag": ("\nseed: 1 ", "\nseed: !other 3 "),
    "tag of Python": ("\nseed: 1 ", "\nseed: !!python/name:os.system "),
    "bytes": ("  salt: shoes ", "  salt: !!binary c2hvZXM= "),
    "set": ("\nmodels: [", "\nmodels: !!set {a, b}\nother: ["),
    "ordered mapping": ("\nsplit:\n", "\nnormalise: !!omap [edge: 3]\nsplit:\n"),
    "section as a list": ("\nsplit:\n", "\nsplit: []\nother:\n"),
    "byte order mark": ("# Edit here", "\ufeff# Edit here"),
    "byte order mark inside": ("\nseed: 1 ", "\n\ufeffseed: 1 "),
    "NUL": ("\nseed: 1 ", "\nseed: 1\x00 "),
    "YAML 1.1": ("# Edit here", "%YAML 1.1\n---\n# Edit here"),
    "YAML 1.2": ("# Edit here", "%YAML 1.2\n---\n# Edit here"),
    "YAML 1.3": ("# Edit here", "%YAML 1.3\n---\n# Edit here"),
    "YAML 2.0": ("# Edit here", "%YAML 2.0\n---\n# Edit here"),
    "unknown directive": ("# Edit here", "%FOO bar\n---\n# Edit here"),
    "two documents": ("\nseed: 1 ", "\nseed: 1\n---\nseed: 2 "),
    "end of the document": ("\nseed: 1 ", "\nseed: 1\n...\n#"),
    "deep nesting": ("\nseed: 1 ", f"\nother: {'[' * DEEP}{']' * DEEP}\nseed: 1 "),
    "deep sections": ("\nseed: 1 ", f"\nother: {'{a: ' * DEEP}1{'}' * DEEP}\nseed: 1 "),
}
# Those that are read; the others are refused.
READ = {
    "anchor of a number",
    "merge",
    "merge that only fills",
    "merge of a list",
    "merge at the top",
    "quoted key",
    "question mark key",
    "exponent without a point",
    "exponent without a point, large",
    "octal of YAML 1.1",
    "octal",
    "hexadecimal",
    "binary",
    "underscores",
    "plus sign",
    "zero in front",
    "whole number for a fraction",
    "True",
    "very small",
    "large number",
    "text like a number",
    "text of several lines",
    "text with line breaks",
    "text with odd line ends",
    "text with odd line ends as they are",
    "tag of a number",
    "tag of a fraction",
    "tag of a text",
    "byte order mark",
    "YAML 1.2",
    "unknown directive",
}
# Read by the rules of YAML 1.1, where yes is true, 010 is 8 and 1:20 is 80.
OLD_RULES = ["yes", "on", "octal of YAML 1.1", "sexagesimal", "exponent without a point", "underscores", "binary"]
ODD_LISTS = {
    "duplicate key": "batches: [a]\nbatches: [b]\nsynthetic_classes: {}\n",
    "anchors": "batches: &b [a]\nsynthetic_classes: {a: &c {students: 3, test_students: 1, seed: 1}, b: *c}\n",
    "merge": "batches: []\nsynthetic_classes: {a: {<<: {students: 3, test_students: 1}, seed: 1}}\n",
    "digits": "batches: ['007']\nsynthetic_classes: {'007': {students: 3, test_students: 1, seed: 1}}\n",
    "one digit": "batches: ['1']\nsynthetic_classes: {'1': {students: 3, test_students: 1, seed: 1}}\n",
    "numbers": "batches: [007]\nsynthetic_classes: {}\n",
    "number as a key": "batches: []\nsynthetic_classes: {7: {students: 3, test_students: 1, seed: 1}}\n",
    "truth value": "batches: [true]\nsynthetic_classes: {}\n",
    "yes": "batches: [yes]\nsynthetic_classes: {no: {students: 3, test_students: 1, seed: 1}}\n",
    "yes of YAML 1.1": "%YAML 1.1\n---\nbatches: [yes]\nsynthetic_classes: {}\n",
    "text like a fraction": "batches: ['1e3']\nsynthetic_classes: {1e3: {students: 3, test_students: 1, seed: 1}}\n",
    "date": "batches: [2026-11-24]\nsynthetic_classes: {}\n",
    "date as text": "batches: ['2026-11-24']\nsynthetic_classes: {}\n",
    "dotted": "batches: [a.b]\nsynthetic_classes: {}\n",
    "dotted key": "batches: []\nsynthetic_classes: {a.b: {students: 3, test_students: 1, seed: 1}}\n",
    "dotted key at the top": "batches: []\nsynthetic_classes: {}\nsynthetic_classes.a: {students: 3}\n",
    "template": "batches: ['${item}']\nsynthetic_classes: {}\n",
    "very large number": f"batches: []\nsynthetic_classes: {{a: {{students: 3, seed: {'9' * 5_000}}}}}\n",
    "nothing": "batches:\nsynthetic_classes:\n",
    "empty": "",
    "byte order mark": "\ufeffbatches: [a]\nsynthetic_classes: {}\n",
    "itself": "batches: &b [*b]\nsynthetic_classes: &s {a: *s}\n",
    "set": "batches: !!set {a, b}\nsynthetic_classes: {}\n",
}
READ_LISTS = {
    "merge",
    "digits",
    "one digit",
    "yes",
    "date as text",
    "byte order mark",
}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        params, "read_yaml", functools.cache(parameter_files.read_yaml)
    )  # every section reads the same file
    Path("data").mkdir()
    for name in ("dvc.yaml", paths.PARAMS, paths.BATCH_LIST):
        Path(name).write_bytes((ROOT / name).read_bytes())


def write_odd(name: str) -> None:
    texts = ODD_LINES[name]
    for old, new in zip(texts[::2], texts[1::2], strict=True):
        edit(paths.PARAMS, old, new)


def read_by_dvc(path: Path, keys: list[str]) -> dict[str, Any]:
    """Return what DVC would record; {} for a key that the file lacks."""
    values: dict[str, Any] = read_param_file(localfs, str(path), keys, flatten=True)
    return {key: values.get(key) for key in keys}


@functools.cache
def declared_keys(path: Path, argument: str = "a") -> list[str]:
    """Return all keys of a file that a stage declares in dvc.yaml."""
    declarations = [stage_declaration.read_declaration(stage, argument) for stage in STAGES]
    return sorted({key for found in declarations for key in found.parameter_keys.get(path, [])})


def compare_with_dvc(path: Path, keys: list[str], typed: dict[str, Any]) -> None:
    """Compare what stages note, and what they work with, with what DVC records."""
    by_dvc = read_by_dvc(path, keys)
    assert repr(stage_inputs.read_values(path, keys, parameter_files.read_text(path))) == repr(by_dvc)
    leaves = dict(parameter_files.flatten(parameter_files.read_yaml(path)))
    for key, value in typed.items():
        assert (leaves[key], type(value) in (type(leaves[key]), float)) == (value, True), key
    recorded = {name: leaf for key in keys for name, leaf in _leaves(key, by_dvc[key])}
    assert {name: repr(leaves[name]) for name in recorded if name in typed} == {
        name: repr(leaf) for name, leaf in recorded.items() if name in typed
    }


def _leaves(key: str, value: Any) -> list[tuple[str, Any]]:
    return list(parameter_files.flatten(value, f"{key}.")) if isinstance(value, dict) else [(key, value)]


def load_parameters() -> dict[str, Any] | str:
    """Return the values that the stages work with, by key; or the message that refuses the file."""
    try:
        typed: dict[str, Any] = {}
        for section in params.list_sections():
            loaded = params.load(section)
            for name, field in section.model_fields.items():
                if not isinstance(value := getattr(loaded, name), params.Section):
                    typed[str(field.validation_alias or name)] = value
    except ShoepairError as error:
        return str(error)
    return typed


def check_params() -> bool:
    """Check that params.yaml is refused clearly, or read as by DVC; return whether it is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MantissaNoDotYAML1_1Warning)
        typed = load_parameters()
        if isinstance(typed, str):
            assert typed.startswith("params.yaml: ")
            assert all(line.isprintable() for line in typed.splitlines())
            return False
        compare_with_dvc(paths.PARAMS, declared_keys(paths.PARAMS), typed)
        return True


@pytest.mark.parametrize("name", ODD_LINES)
def test_odd_parameter_is_read_as_by_dvc_or_refused(name: str) -> None:
    write_odd(name)
    assert check_params() == (name in READ)


@pytest.mark.parametrize("name", OLD_RULES)
def test_odd_parameter_of_yaml_1_1_is_read_as_by_dvc_or_refused(name: str) -> None:
    write_odd(name)
    edit(paths.PARAMS, *ODD_LINES["YAML 1.1"])
    edit(paths.PARAMS, "\nn: ", "\n'n': ")  # a truth value by these rules
    assert check_params()


@pytest.mark.parametrize("name", ODD_LISTS)
def test_odd_list_of_batches_is_read_as_by_dvc_or_refused(name: str) -> None:
    paths.BATCH_LIST.write_text(ODD_LISTS[name])
    if name not in READ_LISTS:
        with pytest.raises(ShoepairError, match=r"^data/batches\.yaml: "):
            load_batch_lists()
        return
    listed = load_batch_lists()
    keys = ["batches", "synthetic_classes", *(f"synthetic_classes.{batch}" for batch in listed.synthetic_classes)]
    by_dvc = read_by_dvc(paths.BATCH_LIST, keys)
    assert stage_inputs.read_values(paths.BATCH_LIST, keys, parameter_files.read_text(paths.BATCH_LIST)) == by_dvc
    assert listed.batches == by_dvc["batches"]
    for batch, values in listed.synthetic_classes.items():
        assert values.model_dump() == by_dvc[f"synthetic_classes.{batch}"]


@pytest.mark.parametrize("path", [Path("pyproject.toml"), Path("shoepair/runtime/__init__.py")], ids=str)
def test_versions_are_read_as_by_dvc(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    keys = declared_keys(path)
    values = stage_inputs.read_values(path, keys, path.read_text())
    assert values == read_by_dvc(path, keys)
    assert keys
    assert None not in values.values()
