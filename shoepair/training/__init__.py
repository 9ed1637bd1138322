"""Training: configuration, samplers, augmentation, loop, checkpoints, cross-validation."""
