"""Circuits in OpenQASM 3."""
