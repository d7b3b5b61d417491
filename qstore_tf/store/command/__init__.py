"""`qstore db`: a database on the command line."""
