"""Stage analyze: architecture of the networks -> analysis page: layers, parameters, receptive fields.

Writes  reports/analysis/: index.md, analysis.json and the pictures
Params  n, kernel_size, train.batch_norm, train.edge
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from shoepair.models.config import ConvConfig, ModelConfig
from shoepair.reports.analysis import page
from shoepair.runtime import params, paths, stage
from shoepair.synthetic import synthetic_class


def main() -> None:
    """Write the analysis page of the networks; receptive fields are drawn on a photo of a synthetic class."""
    config = ModelConfig(**params.load(ConvConfig).model_dump())
    with tempfile.TemporaryDirectory() as folder:
        synthetic_class.write_synthetic_class(Path(folder), 1, 1, seed=1)
        with Image.open(min(Path(folder).glob("train/*"))) as photo:
            # As networks see it.
            small = photo.convert("RGB").resize((config.edge, config.edge), Image.Resampling.BOX)
        page.replace_analysis_folder(paths.ANALYSIS_FOLDER, config, np.asarray(small))
    of_what = f"n = {config.n}, K = {config.kernel_size} and {config.edge} pixels"
    print(f"analyze: {paths.ANALYSIS_FOLDER / 'index.md'} written, for {of_what}")


if __name__ == "__main__":
    stage.run(main)
