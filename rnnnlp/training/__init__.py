"""Gradients to weights: optimizers, schedules, the training loop, metrics and checkpoints."""
