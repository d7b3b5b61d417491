"""Manifests for Kubernetes, checks of them, and a runner that executes them without a cluster."""
