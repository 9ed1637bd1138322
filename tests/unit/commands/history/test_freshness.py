"""Whether figures are those of the class and the parameters beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoepair.commands.history.freshness import find_outdated_reasons

BATCHES = "batches: [winter]\nsynthetic_classes: {}\n"
PARAMS = "models: [cnn]\nlr: 0.004\nsplit:\n  salt: shoes\n"
PARAMS += "pretrained:\n  models: [efficientnet_frozen]\n  epochs: 6\nfeatures:\n  augmented: 0\n"
TRACKED = "outs:\n- md5: {}.dir\n  path: winter\n"
LOCK = """
schema: '2.0'
stages:
  ingest@winter:
    deps: [{path: data/raw/winter, md5: aa.dir}]
    outs: [{path: data/manifest/winter.parquet, md5: bb}]
  ingest@gone:
    deps: [{path: data/raw/gone, md5: 00.dir}]
  split:
    deps: [{path: data/manifest/winter.parquet, md5: bb}]
    params:
      data/batches.yaml: {batches: [winter]}
      params.yaml: {split.salt: shoes}
    outs: [{path: data/split.parquet, md5: cc}]
  train@cnn:
    params:
      params.yaml: {lr: 0.004}
  features@winter:
    params:
      params.yaml: {features.augmented: 0}
  train_pretrained@efficientnet_frozen:
    params:
      params.yaml: {pretrained.epochs: 6}
  evaluate:
    deps: [{path: data/split.parquet, md5: cc}]
    params:
      params.yaml: {models: [cnn]}
"""
FILES = {
    "dvc.lock": LOCK,
    "data/batches.yaml": BATCHES,
    "params.yaml": PARAMS,
    "data/raw/winter.dvc": TRACKED.format("aa"),
}


def reasons(**changes: tuple[str, str]) -> list[str]:
    """Return the reasons after replacements in files, which are named without their suffix."""
    texts = dict(FILES)
    for name, (old, new) in changes.items():
        path = next(path for path in texts if Path(path).stem.replace(".", "_") == name)
        assert old in texts[path]
        texts[path] = texts[path].replace(old, new)

    def read(path: Path) -> bytes | None:
        text = texts.get(path.as_posix())
        return None if text is None else text.encode()

    return find_outdated_reasons(read)


def test_figures_of_this_class_and_these_parameters_are_not_out_of_date() -> None:
    assert reasons() == []


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("batches", "[winter]", "[winter, late]", "batch 'late' is new"),
        ("batches", "[winter]", "[late]", "batch 'winter' is gone"),
        ("winter", "aa", "ab", "the photos of batch 'winter' changed"),
        ("params", "0.004", "0.005", "lr was 0.004, is 0.005"),
        ("params", "shoes", "other", "split.salt was shoes, is other"),
        ("params", "epochs: 6", "epochs: 7", "pretrained.epochs was 6, is 7"),
        ("params", "augmented: 0", "augmented: 2", "features.augmented was 0, is 2"),
        ("params", "[cnn]", "[cnn, siamese]", "models was ['cnn'], is ['cnn', 'siamese']"),
        ("dvc", "{path: data/split.parquet, md5: cc}]\n    params", "{path: data/split.parquet, md5: cd}]\n    params",
         "stage evaluate has not run since"),
    ],
)  # fmt: skip
def test_each_change_since_the_figures_were_computed_is_a_reason(name: str, old: str, new: str, reason: str) -> None:
    assert reason in reasons(**{name: (old, new)})


def test_project_that_never_ran_has_no_figures() -> None:
    assert find_outdated_reasons(lambda _path: None) == []
    assert reasons(dvc=("evaluate:", "never:")) == []
