"""Circuits of PennyLane."""
