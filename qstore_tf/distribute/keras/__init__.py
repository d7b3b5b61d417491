"""Keras under a multi-worker strategy: fixes of its trainer, and access to a running `fit`."""
