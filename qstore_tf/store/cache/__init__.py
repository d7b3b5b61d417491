"""Caches of what queries found: their keys name a commit, so nothing in them can be stale."""
