"""What can be said about the manifests without a cluster: rendering, schemas, and our rules."""
