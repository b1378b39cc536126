"""Augmentations, one class each; `pipeline.augment` makes chains of them from what the user asks for."""
