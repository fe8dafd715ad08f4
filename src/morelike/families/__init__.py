"""Families of models, one idea a file: loss, sampling, abilities. The registry line is in `core/registry.py`."""
