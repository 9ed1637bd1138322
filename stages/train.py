"""Stage train: pairs of shoes -> one trained network.

Reads   data/pairs.parquet, data/store/<batch>.h5 of the batches in it
Writes  models/<model>.safetensors, models/<model>.json, plots/training/<model>.csv, plots/loss/<model>.csv
Params  lr, batch_size, weight_decay, epochs, n, kernel_size, seed, train, normalize
"""

from shoepair import batches, errors, models, pairs, params, paths, table, training


def main(name: str) -> None:
    """Train on the standard pairs; keep the weights of the best epoch by validation accuracy."""
    chosen = params.load(params.Train)
    shape = models.Shape(chosen.n, chosen.kernel_size, chosen.batch_norm, chosen.dropout, chosen.edge)
    recipe = training.Recipe(chosen.epochs, chosen.batch_size, chosen.lr, chosen.weight_decay, chosen.seed)
    model = models.build(name, shape, chosen.seed)
    training.use_threads(chosen.threads)
    rows = table.read(paths.PAIRS, pairs.Pairs)
    train, valid = (batches.from_table(pairs.standard(rows, split)) for split in ("train", "valid"))
    history = training.fit(model, train, valid, recipe, training.Checkpoint(paths.checkpoint(name), report=print))
    models.save(name, model, training.facts(recipe, history))
    paths.checkpoint(name).unlink()
    training.write_curves(history, paths.epochs(name), paths.iterations(name))
    print(f"train {name}: best epoch {history.best.epoch} of {recipe.epochs}")


if __name__ == "__main__":
    errors.run(main)
