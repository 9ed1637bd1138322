"""Pairs -> weights: configuration, samplers, augmentation, loop, checkpoints, cross-validation."""
