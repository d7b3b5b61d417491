"""One module per framework; each runs the shared workload in its own process."""
