"""Trains image classifiers and keeps what they say: datasets, networks, the trainer, predictions, the study folder."""
