"""Turn an unlabelled photometric survey into a feature extractor with Keras."""

from astrokeras import keras_settings

__version__ = "0.1.0"

keras_settings.apply()
