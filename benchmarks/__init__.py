"""Benchmarks: the speed and memory goals of qstore_tf, measured beside its peers."""
