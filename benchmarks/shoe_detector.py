"""The shoe detector: how often it refuses pictures without a shoe, and shoes.

    python -m benchmarks.shoe_detector [--shoes CLASS_FOLDER] [--fit] [--json FILE]

Pictures without a shoe are those of `benchmarks/no_shoe_pictures.py`, drawn and photographed. `--fit` fits the
regression and the limits to every other kind, and to drawn shoes, and writes the file of the detector; what is
printed is of the other kinds, of shoes that another seed draws, and of the photos of `CLASS_FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from importlib import resources
from itertools import chain
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from benchmarks import no_shoe_pictures
from shoepair.commands.serving.shoe_detector import FITTED_FILE, PretrainedShoeDetector, load_detector
from shoepair.ingestion import decoding
from shoepair.synthetic import synthetic_class

EDGE, BATCH = 224, 16
PER_KIND = 20  # drawn pictures of a kind
FIT_SEED, FIT_STUDENTS = 71, 24  # of drawn shoes
TEST_SEED, TEST_STUDENTS = 72, 50
STRENGTH = 0.1  # inverse of the regression's regularisation
MARGIN = 1.0  # between the log odds of any picture without a shoe that was fitted to, and the limit
Photos = Iterable[NDArray[np.uint8]]
Fitted = dict[str, torch.Tensor]


def read_photos(files: Iterable[Path]) -> Photos:
    """Yield photos as they are prepared for an answer."""
    for path in files:
        yield decoding.decode_photo(path, EDGE).pixels


def draw_shoes(seed: int, students: int) -> Photos:
    """Yield drawn shoes, six a student."""
    for number in range(students):
        student = synthetic_class.sample_numbered_student(seed, "train", number)
        for _, _, photo in synthetic_class.iter_drawn_photos(student, seed, 0, number):
            yield np.asarray(photo.convert("RGB"))


def describe(detector: PretrainedShoeDetector, photos: Photos) -> torch.Tensor:
    """Return the features of photos."""
    rows, batch = [], []
    for photo in chain(photos, [None]):
        if photo is not None:
            batch.append(photo)
        if batch and (photo is None or len(batch) == BATCH):
            rows.append(detector.describe(np.stack(batch)))
            batch = []
    return torch.cat(rows)


def describe_kinds(detector: PretrainedShoeDetector) -> dict[str, torch.Tensor]:
    """Return the features of the pictures of each kind that show no shoe."""
    kinds = {}
    for kind in no_shoe_pictures.DRAWN_KINDS:
        kinds[kind] = describe(detector, (no_shoe_pictures.draw_picture(kind, number) for number in range(PER_KIND)))
        print(f"  {kind}", flush=True)
    for kind, files in no_shoe_pictures.list_photographs().items():
        if files:
            kinds[f"photographs: {kind}"] = describe(detector, read_photos(files))
            print(f"  photographs: {kind}: {len(files)}", flush=True)
    return kinds


def fit(detector: PretrainedShoeDetector, kinds: Sequence[torch.Tensor], shoes: torch.Tensor) -> Fitted:
    """Fit the regression, and set both limits, by kinds and students that each fold leaves out."""
    rows = torch.cat([*kinds, shoes]).sqrt().double().numpy()
    labels = np.concatenate([np.zeros(len(rows) - len(shoes)), np.ones(len(shoes))])
    groups = np.repeat(np.arange(len(kinds)), [len(kind) for kind in kinds])
    groups = np.concatenate([groups, len(kinds) + np.arange(len(shoes)) // 6])
    regression = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=5000)
    left_out = cross_val_predict(regression, rows, labels, groups=groups, cv=GroupKFold(6), method="decision_function")
    regression.fit(rows, labels)
    highest, lowest = left_out[labels == 0].max(), np.quantile(left_out[labels == 1], 0.01)
    known = float(detector.class_log_odds(torch.cat([*kinds])).max())
    print(
        f"left out: no shoe up to {highest:.2f}, 1 % of shoes below {lowest:.2f}; ImageNet: no shoe up to {known:.2f}"
    )
    values = {"weight": regression.coef_[0], "bias": regression.intercept_[0]}
    values |= {"drawn_limit": (highest + lowest) / 2, "class_limit": known + MARGIN}
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in values.items()}


def share_text(count: int, total: int) -> str:
    """Return a share with its exact 95 % interval (Clopper and Pearson)."""
    low = beta.ppf(0.025, count, total - count + 1) if count else 0.0
    high = beta.ppf(0.975, count + 1, total - count) if count < total else 1.0
    return f"{count} of {total}: {100 * count / total:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def main() -> None:
    """Fit, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shoes", type=Path, action="append", default=[], help="a class folder of photos of shoes")
    parser.add_argument("--fit", action="store_true", help="write the file of the detector")
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = Path(str(resources.files("shoepair.commands.serving").joinpath("static", FITTED_FILE)))
    detector = PretrainedShoeDetector({}) if arguments.fit else load_detector()
    kinds = describe_kinds(detector)
    fitted_to, measured = list(kinds)[::2], list(kinds)[1::2]
    if arguments.fit:
        shoes = describe(detector, draw_shoes(FIT_SEED, FIT_STUDENTS))
        fitted = fit(detector, [kinds[kind] for kind in fitted_to], shoes)
        path.write_bytes(safetensors.torch.save(fitted))
        detector = PretrainedShoeDetector(fitted)
    drawn = describe(detector, draw_shoes(TEST_SEED, TEST_STUDENTS))
    shoes_by_name = {"drawn shoes": drawn}
    for folder in arguments.shoes:
        files = sorted(file for file in folder.rglob("*_*_*") if file.is_file())
        shoes_by_name[folder.name] = describe(detector, read_photos(files))
    document = {}
    for name, chosen in (("kinds fitted to", fitted_to), ("kinds measured", measured)):
        scores = {kind: detector.score(kinds[kind]) for kind in chosen}
        together = torch.cat([*scores.values()])
        refused, total = int((together <= 0).sum()), len(together)
        document[name] = f"{len(chosen)} kinds, refused {share_text(refused, total)}"
        worst = sorted(((float(score.max()), kind) for kind, score in scores.items()), reverse=True)[:4]
        document[f"{name}, highest"] = "; ".join(f"{kind} {score:.2f}" for score, kind in worst)
    photographs = torch.cat([detector.score(kinds[kind]) for kind in measured if kind.startswith("photographs")])
    document["photographs measured"] = f"refused {share_text(int((photographs <= 0).sum()), len(photographs))}"
    for name, features in shoes_by_name.items():
        scores_of_shoes = detector.score(features)
        refused = int((scores_of_shoes <= 0).sum())
        lowest = float(scores_of_shoes.quantile(0.01))
        document[name] = f"refused {share_text(refused, len(features))}; the lowest 1 % {lowest:.2f}"
    photo = next(iter(draw_shoes(1, 1)))
    start = time.process_time()
    for _ in range(20):
        detector.find_issues(photo)
    document["a photo"] = f"{(time.process_time() - start) / 20 * 1000:.0f} ms of a core"
    for name, text in document.items():
        print(f"{name}: {text}")
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
