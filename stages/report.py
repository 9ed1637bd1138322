"""Stage report: everything the pipeline found -> one page, a model card, a data card, metadata, pictures.

Reads   data/split.parquet, data/pairs.parquet, data/duplicates.parquet, data/suspects.parquet, data/scores.parquet,
        data/decision.json, data/store/<batch>.h5, metrics/, models/<model>.json, plots/training, plots/loss,
        reports/audit.json, reports/validation/<batch>.json
Writes  reports/index.html, reports/model-card.md, reports/data-card.md, reports/croissant.json,
        plots/examples/<model>.jpg
Params  crossval, evaluate, data/batches.yaml
"""

from shoepair.evaluation.config import Crossval
from shoepair.reports import page, results
from shoepair.reports.format import PAGE
from shoepair.runtime import params, stage
from shoepair.runtime.batches import load_batches


def main() -> None:
    """Read what the other stages wrote, and tell it."""
    listed = load_batches()
    found = results.read(listed.batches, listed.samples, params.load(Crossval))
    length = page.write(found)
    print(f"report: {PAGE}, {length / 1e6:.1f} MB, {len(found.models)} models, {found.total['students']} students")


if __name__ == "__main__":
    stage.run(main)
