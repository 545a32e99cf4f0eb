"""Trained members on images: checkpoints opened, inputs, test-time augmentation, predictions."""
