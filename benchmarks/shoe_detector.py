"""The shoe detector: how often it refuses pictures without a shoe, and shoes.

    python -m benchmarks.shoe_detector [--shoes CLASS_FOLDER] [--fit shoes | --fit places] [--json FILE]

Pictures without a shoe are those of `benchmarks/no_shoe_pictures.py`, drawn and photographed. `--fit shoes` fits the
regression and the limits to every other kind, and to drawn shoes; `--fit places` fits the regression of places to
drawn scenes (`benchmarks/shoe_scenes.py`). Both write the file of the detector. What is printed is of the other kinds,
of shoes and scenes that another seed draws, and of the photos of `CLASS_FOLDER` and what is put together from them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import no_shoe_pictures, shoe_scenes
from shoepair.commands.serving import shoe_mask
from shoepair.commands.serving.shoe_detector import (
    FITTED_FILE,
    PretrainedShoeDetector,
    mean_features,
    place_features,
)
from shoepair.ingestion import decoding
from shoepair.synthetic import synthetic_class

EDGE, BATCH = 224, 16
PER_KIND = 20  # drawn pictures of a kind
FIT_SEED, FIT_STUDENTS = 71, 24  # of drawn shoes
TEST_SEED, TEST_STUDENTS = 72, 50
STRENGTH = 0.1  # inverse of the regression's regularisation
SCENE_FIT_SEED, FIT_SCENES = 171, 90  # of each kind
SCENE_TEST_SEED, TEST_SCENES = 172, 30
EVERY = 3  # of the pairs of a class folder, that photos are put together from
PLACE_STRENGTH = 1e-3  # of the regression of places
CUT_SHARE = 0.95  # of the cut off drawn shoes that are told
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
            rows.append(mean_features(detector.compute_maps(np.stack(batch))))
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


def fit_places(detector: PretrainedShoeDetector) -> Fitted:
    """Fit the regression of places to drawn scenes, and the limit at the border to those that are cut off."""
    features, labels, kinds = [], [], []
    for kind in shoe_scenes.KINDS:
        for number in range(FIT_SCENES):
            scene = shoe_scenes.draw_scene(kind, SCENE_FIT_SEED, number)
            places = place_features(detector.compute_maps(scene.pixels[None]))[0]  # (D, H, H)
            edge = places.shape[1]
            covered = scene.coverage.reshape(edge, EDGE // edge, edge, EDGE // edge).mean(axis=(1, 3))
            features.append(places.movedim(0, 2).flatten(0, 1).numpy())
            labels.append(covered.ravel() > 0.5)
            kinds.append(kind)
        print(f"  {kind}", flush=True)
    rows, is_shoe = np.concatenate(features), np.concatenate(labels)
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=PLACE_STRENGTH, max_iter=1000))
    regression.fit(rows, is_shoe)
    log_odds = regression.decision_function(rows)
    print(f"places: {np.mean((log_odds > 0) == is_shoe):.4f} right")
    maps = 1 / (1 + np.exp(-log_odds.reshape(-1, edge, edge)))
    cut = [shoe_mask.measure_shape(places) for places, kind in zip(maps, kinds, strict=True) if kind == "cut off"]
    scaler, fitted = regression[0], regression[1]
    weight = fitted.coef_[0] / scaler.scale_
    values = {
        "place_weight": weight,
        "place_bias": fitted.intercept_[0] - weight @ scaler.mean_,
        "border_limit": np.quantile([shape.at_border for shape in cut], 1 - CUT_SHARE),
    }
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in values.items()}


def read_pairs(folder: Path) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield the photos of a left and a right shoe of each pair of a class folder."""
    for left in sorted(folder.rglob("*_left_*")):
        right = next(left.parent.glob(f"{left.stem.replace('_left_', '_right_')}.*"), None)
        if right:
            yield decoding.decode_photo(left, EDGE).pixels, decoding.decode_photo(right, EDGE).pixels


def count_issues(detector: PretrainedShoeDetector, photos: Photos) -> str:
    """Return how many photos have which issue."""
    counts = Counter((*detector.find_issues(photo), "none")[0] for photo in photos)
    total = counts.total()
    told = ", ".join(f"{count} {issue}" for issue, count in counts.most_common() if issue != "none")
    return f"refused {share_text(total - counts['none'], total)}{': ' if told else ''}{told}"


def measure_issues(detector: PretrainedShoeDetector, folders: Sequence[Path]) -> dict[str, str]:
    """Return what is told of drawn scenes, of whole shoes of class folders, and of what is put together from them."""
    texts = {}

    def measure(name: str, photos: Photos) -> None:
        texts[name] = count_issues(detector, photos)
        print(f"  {name}: {texts[name]}", flush=True)

    for folder in folders:
        measure(f"{folder.name}, whole", chain.from_iterable(read_pairs(folder)))
        kinds: dict[str, list[NDArray[np.uint8]]] = {}
        for number, (left, right) in enumerate(read_pairs(folder)):
            for kind, photo in shoe_scenes.put_together(left, right, number) if not number % EVERY else ():
                kinds.setdefault(kind, []).append(photo)
        for kind, photos in kinds.items():
            measure(f"{folder.name}, {kind}", photos)
    for kind in shoe_scenes.KINDS:
        scenes = (shoe_scenes.draw_scene(kind, SCENE_TEST_SEED, number).pixels for number in range(TEST_SCENES))
        measure(f"drawn, {kind}", scenes)
    measure("drawn shoes of a class", draw_shoes(TEST_SEED, TEST_STUDENTS // 2))
    return texts


def share_text(count: int, total: int) -> str:
    """Return a share with its exact 95 % interval (Clopper and Pearson)."""
    low = beta.ppf(0.025, count, total - count + 1) if count else 0.0
    high = beta.ppf(0.975, count + 1, total - count) if count < total else 1.0
    return f"{count} of {total}: {100 * count / total:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def measure_shoes(
    detector: PretrainedShoeDetector, kinds: dict[str, torch.Tensor], folders: Sequence[Path]
) -> dict[str, str]:
    """Return how many pictures without a shoe, and shoes, are told to show none."""
    texts = {}
    for name, chosen in (("kinds fitted to", list(kinds)[::2]), ("kinds measured", list(kinds)[1::2])):
        scores = {kind: detector.score(kinds[kind]) for kind in chosen}
        together = torch.cat([*scores.values()])
        texts[name] = f"{len(chosen)} kinds, refused {share_text(int((together <= 0).sum()), len(together))}"
        worst = sorted(((float(score.max()), kind) for kind, score in scores.items()), reverse=True)[:4]
        texts[f"{name}, highest"] = "; ".join(f"{kind} {score:.2f}" for score, kind in worst)
    photographs = torch.cat([score for kind, score in scores.items() if kind.startswith("photographs")])
    texts["photographs measured"] = f"refused {share_text(int((photographs <= 0).sum()), len(photographs))}"
    shoes = {"drawn shoes": describe(detector, draw_shoes(TEST_SEED, TEST_STUDENTS))}
    for folder in folders:
        files = sorted(file for file in folder.rglob("*_*_*") if file.is_file())
        shoes[folder.name] = describe(detector, read_photos(files))
    for name, features in shoes.items():
        scores_of_shoes = detector.score(features)
        refused, lowest = int((scores_of_shoes <= 0).sum()), float(scores_of_shoes.quantile(0.01))
        texts[name] = f"refused {share_text(refused, len(features))}; the lowest 1 % {lowest:.2f}"
    return texts


def main() -> None:
    """Fit, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shoes", type=Path, action="append", default=[], help="a class folder of photos of shoes")
    parser.add_argument("--part", choices=["shoes", "places"], help="of the detector; both by default")
    parser.add_argument("--fit", action="store_true", help="write the file of the detector")
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = Path(str(resources.files("shoepair.commands.serving").joinpath("static", FITTED_FILE)))
    fitted = safetensors.torch.load(path.read_bytes())
    detector = PretrainedShoeDetector(fitted)  # holds this dict, so that it knows what is fitted
    document: dict[str, str] = {}
    if arguments.part != "places":
        kinds = describe_kinds(detector)
        if arguments.fit:
            shoes = describe(detector, draw_shoes(FIT_SEED, FIT_STUDENTS))
            fitted |= fit(detector, list(kinds.values())[::2], shoes)
            path.write_bytes(safetensors.torch.save(fitted))
        document |= measure_shoes(detector, kinds, arguments.shoes)
    if arguments.part != "shoes":
        if arguments.fit:
            fitted |= fit_places(detector)
            path.write_bytes(safetensors.torch.save(fitted))
        document |= measure_issues(detector, arguments.shoes)
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
