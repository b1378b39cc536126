"""The encoders that come with the package: each a card (TOML) and its weights in half precision (npz), by one name."""
