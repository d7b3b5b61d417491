"""Callbacks that change shots, depth and backend of quantum layers while a model trains.

Layers are changed inside the training step alone: what is evaluated, predicted, saved or called by
itself runs as it was made. The training step is traced once for each combination of settings.
"""
