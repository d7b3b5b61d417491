"""Circuits of Qiskit."""
