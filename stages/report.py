"""Stage report: results of the other stages -> report page, model card, data card, metadata, examples.

Reads   data/split.parquet, data/pairs.parquet, data/duplicates.parquet, data/suspects.parquet, data/scores.parquet,
        data/decision.json, data/store/<batch>.h5, metrics/, models/<model>.json, plots/training, plots/loss,
        reports/audit.json, reports/validation/<batch>.json
Writes  reports/index.html, reports/model-card.md, reports/data-card.md, reports/croissant.json,
        reports/dvc-plots.html, plots/examples/<model>.jpg
Params  crossval, evaluate, data/batches.yaml
"""

from shoepair.data.wording import count_with_noun
from shoepair.evaluation.config import CrossvalConfig
from shoepair.reports import page, results
from shoepair.reports.formatting import PAGE_PATH
from shoepair.runtime import params, stage
from shoepair.runtime.batches import load_batch_lists


def main() -> None:
    """Read the results of the other stages; write the report, cards and metadata."""
    listed = load_batch_lists()
    data = results.read_results(listed.batches, listed.synthetic_classes, params.load(CrossvalConfig))
    length = page.write_report(data)
    students = data.total_counts["students"]
    counts = f"{count_with_noun(len(data.models), 'model')}, {count_with_noun(students, 'student')}"
    print(f"report: {PAGE_PATH}, {length / 1e6:.1f} MB, {counts}")


if __name__ == "__main__":
    stage.run(main)
