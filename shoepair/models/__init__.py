"""The networks and the baseline: layers, weights, inference, devices."""
