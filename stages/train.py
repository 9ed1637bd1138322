"""Stage train: pairs of shoes -> one trained model.

Reads   data/pairs.parquet, data/store/<batch>.h5 of the batches in it, data/store/synthetic.h5
Writes  models/<model>.safetensors, models/<model>.json, plots/training/<model>.csv, plots/loss/<model>.csv
Params  lr, batch_size, weight_decay, epochs, n, kernel_size, seed, train
"""

from functools import partial

from shoepair.data import loading, pairs, schemas, tables
from shoepair.models import devices, distributed, registry
from shoepair.runtime import cpu, errors, parallel, params, paths, progress
from shoepair.training import checkpoints, config, loop
from shoepair.training.history import write_curves
from shoepair.training.placement import placed


def main(name: str) -> None:
    """Train on the pairs of train, measured on those of valid after every epoch; a killed run goes on."""
    with distributed.joined():
        chosen = params.load(params.Train)
        cores, gpus = chosen.threads, chosen.device == "cuda"
        if done := parallel.together(partial(train, name, chosen), f"train {name}", cores=cores, gpus=gpus):
            print(done)


def train(name: str, chosen: params.Train) -> str:
    """What every rank does; the first one writes, and tells what it did."""
    with distributed.joined():
        return _trained(name, chosen)


def _trained(name: str, chosen: params.Train) -> str:
    cpu.use_threads(chosen.threads)
    model = registry.build(name, config.shape_of(chosen), chosen.seed)
    recipe = loop.suited(config.of(chosen), model)
    device = placed(model, devices.agreed(devices.chosen(chosen.device)))
    rows = tables.read(paths.PAIRS, schemas.Pairs)
    alone = loop.standard_only(model, recipe)
    used = [pairs.of_split(rows, split, only_standard=alone) for split in ("train", "valid")]
    used[0] = loading.beside(used[0], recipe.synthetic, only_standard=alone)
    train, valid = (loading.within(each, chosen.edge, chosen.memory_mb * 2**20, device) for each in used)
    key = checkpoints.key((name, model.shape, recipe, device, chosen.threads), used) if distributed.first() else ""
    checkpoint = loop.Checkpoint(paths.checkpoint(name), key, report=progress.say)
    history = loop.fit(model, train, valid, recipe, checkpoint)
    if not distributed.first():
        return ""
    registry.save(name, model, loop.facts(recipe, history))
    write_curves(history, paths.epochs(name), paths.iterations(name))
    checkpoint.path.unlink(missing_ok=True)
    return f"train {name}: weights of epoch {loop.kept(recipe, history).epoch} of {len(history.epochs)}"


if __name__ == "__main__":
    errors.run(main)
