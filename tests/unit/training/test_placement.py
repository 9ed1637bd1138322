"""Which device a model is put on."""

from __future__ import annotations

import torch
from shoepair.training.placement import placed

from shoepair.models.cnn import CNN
from shoepair.models.histogram import Histogram
from shoepair.models.siamese import Siamese

META = torch.device("meta")  # a device that every machine has


def test_network_goes_where_it_is_sent_with_all_that_it_holds() -> None:
    for model in (CNN(1, batch_norm=True, edge=16), Siamese(1, batch_norm=True, edge=16)):
        assert placed(model, META) == META
        assert {each.device for each in (*model.parameters(), *model.buffers())} == {META}


def test_what_counts_colours_stays_on_the_processor_in_double_precision() -> None:
    model = Histogram(edge=16)
    assert placed(model, META) == torch.device("cpu")
    assert {(each.device.type, each.dtype) for each in model.buffers()} == {("cpu", torch.float64)}


def test_model_that_is_there_already_stays() -> None:
    model = CNN(1, edge=16)
    before = [each.data_ptr() for each in model.parameters()]
    assert placed(model, torch.device("cpu")) == torch.device("cpu")
    assert [each.data_ptr() for each in model.parameters()] == before
