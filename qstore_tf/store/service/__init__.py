"""The database as a service: an HTTP API over the verbs, and the client that has them too."""
