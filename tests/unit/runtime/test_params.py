"""params.yaml and data/batches.yaml: valid values, and messages for invalid ones; atomic files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.field import edit

from shoepair.ingestion.config import SplitConfig
from shoepair.runtime import atomic_files, params, paths
from shoepair.runtime.batches import load_batch_lists, load_synthetic_class
from shoepair.runtime.errors import ShoepairError
from shoepair.training.config import TrainConfig

PARAMS = Path("params.yaml")


def load_error() -> str:
    """Return the message of `params.load`."""
    with pytest.raises(ShoepairError) as caught:
        params.load(SplitConfig)  # any section: the complete file is checked
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("lr: 1.0e-3 ", "lr: 0 ", "lr: 0, expected greater than 0"),
        ("lr: 1.0e-3 ", "lr: fast ", "lr: 'fast', expected a valid number"),
        ("\nn: 4 ", "\nn: 0 ", "n: 0, expected greater than or equal to 1"),
        ("\nn: 4 ", "\nn: 4.5 ", "n: 4.5, expected a valid integer"),
        ("kernel_size: 3 ", "kernel_size: 4 ", "kernel_size: 4, expected 3 or 5"),
        ("batch_size: 32 ", "batch_size: 31 ", "batch_size: 31, expected a multiple of 2"),
        ("epochs: 2 ", "epochs: true ", "epochs: True, expected a valid integer"),
        ("\nseed: 1 ", "\nsead: 1 ", "sead: not a parameter of this project\n  seed: missing"),
        ("  salt: shoes ", "  pepper: shoes ", "split.pepper: not a parameter of this project\n  split.salt: missing"),
        ("valid: 0.20 ", "valid: 1.0 ", "split.valid: 1.0, expected less than 1"),
        ("edge: 32 ", "edge: 40 ", "normalize.edge: 40, expected a multiple of 16"),
        (
            "models: [cnn, cnn_channel]",
            "models: [cnn, cnn]",
            "models: ['cnn', 'cnn'], expected each name once",
        ),
        ("\nseed: 1 ", "\nseed: [1 ", "params.yaml: not YAML"),
        ("\nseed: 1 ", "\nsplit.salt: x\nseed: 1 ", "'split.salt': a dot in a key, which DVC would read as a section"),
        (
            "  salt: shoes ",
            "  salt.x: shoes ",
            "'split.salt.x': a dot in a key, which DVC would read as a section",
        ),
        ("color_jitter: 1.0 ", "color_jitter: 4.5 ", "train.color_jitter: 4.5, expected less than or equal to 4"),
    ],
)
@pytest.mark.usefixtures("project")
def test_wrong_parameter_is_named(old: str, new: str, text: str) -> None:
    edit(PARAMS, old, new)
    assert text in load_error()


@pytest.mark.usefixtures("project")
def test_all_errors_are_reported_at_once_and_each_once() -> None:
    edit(PARAMS, "\nn: 4 ", "\nn: 0 ")  # a field of two sections
    edit(PARAMS, "lr: 1.0e-3 ", "lr: -1 ")
    message = load_error()
    assert message.startswith("params.yaml: 2 problems\n")
    assert message.count("n: 0") == 1
    assert message.endswith("correct params.yaml, then run `dvc repro`")


@pytest.mark.usefixtures("project")
def test_missing_file_is_reported() -> None:
    PARAMS.unlink()
    assert "params.yaml: missing\nrun in the project's folder" in load_error()


@pytest.mark.usefixtures("project")
def test_number_written_without_a_point_is_a_number() -> None:
    edit(PARAMS, "lr: 1.0e-3 ", "lr: 1e-3 ")
    assert params.load(TrainConfig).lr == 0.001


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batches: [a, a]\nsynthetic_classes: {}\n", "batches: ['a', 'a'], expected each name once"),
        ("batches: [../a]\nsynthetic_classes: {}\n", "batches.0: '../a', expected a name of small letters"),
        ("batches: []\n", "synthetic_classes: missing"),
        (
            "batches: []\nsynthetic_classes: {x: {students: 0, test_students: 1, seed: 1}}\n",
            "synthetic_classes.x.students: 0, expected",
        ),
        ("- a\n", "data/batches.yaml: holds no mapping of keys to values"),
    ],
)
@pytest.mark.usefixtures("project")
def test_invalid_list_of_batches(text: str, message: str) -> None:
    paths.BATCH_LIST.write_text(text)
    with pytest.raises(ShoepairError) as caught:
        load_batch_lists()
    assert message in str(caught.value)


@pytest.mark.usefixtures("project")
def test_undeclared_synthetic_class() -> None:
    with pytest.raises(ShoepairError, match=r"no synthetic class 'x', declared: none"):
        load_synthetic_class("x")


def test_file_is_replaced_completely_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    atomic_files.write_text(path, "old\n")
    reason = "stop"
    with pytest.raises(KeyboardInterrupt), atomic_files.atomic_write(path) as part:  # noqa: PT012 - the block is what is tested
        part.write_text("half")
        raise KeyboardInterrupt(reason)
    assert path.read_bytes() == b"old\n"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


def test_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        atomic_files.write_text(tmp_path / "a", "x")
    finally:
        os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("valid: 0.20 ", "valid: 0.0 ", "split.valid: 0.0, expected greater than 0"),
        ("salt: shoes ", "salt: '' ", "split.salt: '', String should have at least 1 character"),
        ("salt: shoes ", f"salt: {'x' * 65} ", f"split.salt: '{'x' * 65}', "),
        ("salt: shoes ", "salt: 7 ", "split.salt: 7, expected a valid string"),
        ("lr: 1.0e-3 ", "lr: .inf ", "lr: inf, expected a finite number"),
        ("lr: 1.0e-3 ", "lr: .nan ", "lr: nan, expected "),
        ("weight_decay: 0.0 ", "weight_decay: -0.1 ", "weight_decay: -0.1, expected greater than or equal to 0"),
        ("epochs: 2 ", "epochs: 0 ", "epochs: 0, expected greater than or equal to 1"),
        ("batch_size: 32 ", "batch_size: 0 ", "batch_size: 0, expected greater than or equal to 2"),
        ("\nseed: 1 ", "\nseed: -1 ", "seed: -1, expected greater than or equal to 0"),
        ("dropout: 0.1 ", "dropout: 1.0 ", "train.dropout: 1.0, expected less than 1"),
        ("ema_decay: 0.0 ", "ema_decay: 1.0 ", "train.ema_decay: 1.0, expected less than 1"),
        ("swap_sides: false ", "swap_sides: 1 ", "train.swap_sides: 1, expected a valid boolean"),
        ("tta: true ", "tta: 1 ", "train.tta: 1, expected a valid boolean"),
        ("threads: 1 ", "threads: 0 ", "train.threads: 0, expected greater than or equal to 1"),
        ("batch_norm: true ", "batch_norm: 0 ", "train.batch_norm: 0, expected a valid boolean"),
        ("edge: 32 ", "edge: 0 ", "normalize.edge: 0, expected greater than or equal to 16"),
        ("edge: 32 ", "edge: 1040 ", "normalize.edge: 1040, expected less than or equal to 1024"),
        ("resamples: 100 ", "resamples: 99 ", "evaluate.resamples: 99, expected greater than or equal to 100"),
        (
            "models: [cnn, cnn_channel]",
            "models: []",
            "models: [], List should have at least",
        ),
        ("normalize:\n", "normalise:\n", "normalise.edge: not a parameter of this project\n  normalize.edge: missing"),
    ],
)
@pytest.mark.usefixtures("project")
def test_value_out_of_range_is_named_with_the_range(old: str, new: str, text: str) -> None:
    edit(PARAMS, old, new)
    assert text in load_error()


@pytest.mark.usefixtures("project")
def test_missing_section_or_no_section() -> None:
    edit(PARAMS, "\nsplit:\n", "\nother:\n")
    message = load_error()
    assert "other.salt: not a parameter of this project" in message
    assert "split.salt: missing\n  split.valid: missing" in message
    PARAMS.write_text("split: 3\n")
    assert "split: not a parameter of this project" in load_error()


@pytest.mark.parametrize("content", [b"", b"- 1\n", b"text"])
@pytest.mark.usefixtures("project")
def test_parameters_that_are_no_mapping(content: bytes) -> None:
    PARAMS.write_bytes(content)
    assert load_error() == "params.yaml: holds no mapping of keys to values\ncorrect it, or `git checkout params.yaml`"


@pytest.mark.parametrize(
    "content", [b"lr: \xff\n", b"lr: 1\nlr: 2\n", b"lr: 1\x00\n", b"lr: !!python/name:os.system\n"]
)
@pytest.mark.usefixtures("project")
def test_parameters_that_are_not_plain_yaml(content: bytes) -> None:
    PARAMS.write_bytes(content)
    message = load_error()
    assert message.startswith("params.yaml: not YAML\n  ")
    assert message.endswith("\ncorrect it, or `git checkout params.yaml`")


@pytest.mark.usefixtures("project")
def test_loaded_parameters_cannot_be_changed() -> None:
    config = params.load(TrainConfig)
    with pytest.raises(ValueError, match="frozen"):
        config.lr = 1.0


@pytest.mark.usefixtures("project")
def test_overrides_replace_values_of_the_file_and_are_checked_like_these() -> None:
    config = params.load(TrainConfig, {"lr": "5.0e-4", "train.color_jitter": "0.5"})
    assert (config.lr, config.augmentation.color_jitter, config.epochs) == (5e-4, 0.5, 2)
    with pytest.raises(ShoepairError, match=r"params.yaml: 1 problem\n  train.color_jitter: 9, expected less"):
        params.load(TrainConfig, {"train.color_jitter": "9"})


@pytest.mark.usefixtures("project")
def test_every_key_of_the_file_belongs_to_a_section() -> None:
    known = {key for section in params.list_sections() for key in params.section_keys(section)}
    assert {"lr", "split.salt", "train.color_jitter", "train.tta", "crossval.folds", "models"} <= known
    assert set(params.section_keys(TrainConfig)) >= {"lr", "n", "train.color_jitter", "train.dropout", "train.threads"}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"epochs": 0}, "epochs: 0, expected greater than or equal to 1"),
        ({"lr": float("nan")}, "lr: nan, expected "),
        ({"weight_decay": -1.0}, "weight_decay: -1.0, expected greater than or equal to 0"),
        ({"ema_decay": 1.0}, "ema_decay: 1.0, expected less than 1"),
        ({"speed": 1}, "speed: not a key of this file"),
    ],
)
def test_wrong_value_in_python_is_reported_in_one_line(values: dict[str, float], text: str) -> None:
    with pytest.raises(ShoepairError) as caught:
        TrainConfig(**values)  # type: ignore[arg-type]  # wrong values are the point
    assert str(caught.value).startswith(text)
    assert str(caught.value).count("\n") == 1


@pytest.mark.usefixtures("project")
def test_salt_of_more_bytes_than_the_hash_takes_is_load_error() -> None:
    edit(PARAMS, "salt: shoes ", f"salt: {'é' * 40} ")
    with pytest.raises(ShoepairError):
        params.load(SplitConfig)
