import keras  # noqa: F401 - all of it, before our layers: see `astrokeras.register_layers`
