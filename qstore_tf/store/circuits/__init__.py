"""The same numbers by circuits: preparing states, measuring overlaps, and which to measure."""
