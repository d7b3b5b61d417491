"""The verbs of a database: what they take and return, whatever carries them out."""
