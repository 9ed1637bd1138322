"""Stage analyze: the shape of the networks -> their worked analysis: a page, its numbers and its pictures.

Writes  reports/analysis/: index.md, analysis.json and the pictures
Params  n, kernel_size, train.batch_norm
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from shoepair.models.config import Layers, ModelConfig
from shoepair.reports.analysis import page
from shoepair.runtime import params, paths, stage
from shoepair.synthetic import sample_class


def main() -> None:
    """Write the page, its receptive fields drawn on a photo of the sample class."""
    config = ModelConfig(**params.load(Layers).model_dump())
    with tempfile.TemporaryDirectory() as drawn:
        sample_class.draw_class(Path(drawn), 1, 1, seed=1)
        with Image.open(min(Path(drawn).glob("train/*"))) as photo:
            page.write(paths.ANALYSIS, config, np.asarray(photo.convert("RGB")))
    print(f"analyze: {paths.ANALYSIS / 'index.md'} written, for n = {config.n} and K = {config.kernel_size}")


if __name__ == "__main__":
    stage.run(main)
