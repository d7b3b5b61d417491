"""Items as they stand: rows of the catalog, moved with the steps of their groups."""
