"""Stores of vectors beside the catalog: copies that are searched, never the truth."""
