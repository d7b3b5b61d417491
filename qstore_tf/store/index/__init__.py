"""Indexes of one namespace, in memory, fed from the catalog and derived from it alone."""
