"""Devices as data: one TOML file a model, and the loader that checks it."""
