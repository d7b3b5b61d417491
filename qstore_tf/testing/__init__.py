"""Helpers for tests: random circuits and programs, layer checks, gradient agreement."""
