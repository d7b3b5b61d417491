"""One compiler each, run in its own pinned environment."""
