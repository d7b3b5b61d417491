"""Trains a hybrid model on images of digits, on all workers of the Job. Put your own script here.

Settings come from the environment (settings.env). The same script runs on one machine:
`CHECKPOINTS=ckpt LOGS=logs RUN=try python train.py`, or with `qstore launch`.
"""
