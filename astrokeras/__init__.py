"""Turn an unlabelled photometric survey into a feature extractor with Keras."""

__version__ = "0.1.0"
