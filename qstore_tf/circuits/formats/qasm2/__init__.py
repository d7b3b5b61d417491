"""Circuits in OpenQASM 2."""
