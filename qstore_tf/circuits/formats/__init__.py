"""Circuits in the forms of other libraries and languages."""
