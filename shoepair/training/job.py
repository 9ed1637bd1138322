"""One training from beginning to end: model, pairs, checkpoint, loop."""

from __future__ import annotations

from shoepair.data import loading, pairs, schemas, tables
from shoepair.models import devices, distributed, registry
from shoepair.runtime import cpu, params, paths, progress
from shoepair.training import checkpoints, config, loop
from shoepair.training.history import write_curves
from shoepair.training.placement import placed


def train(name: str, chosen: params.Train) -> str:
    """Train a model on the pairs of train, as one of the ranks that were started; the first one writes.

    Args:
        name: in the model table.
        chosen: the parameters of the training.

    Returns:
        What was done, in a line; nothing on other ranks than the first.
    """
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
