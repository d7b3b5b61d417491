"""The routes of version 0.4 of the API."""
