"""The names of earlier versions, over today's parts.

`v3_5` and `v3_4` have the training engine of these versions, `v1` the database, `v4_0` what the
design of version 4.0 named and is called otherwise now. Each is thin: what it does is done by a
part that its docstring names. docs/migration.md has the tables from old names to new ones.
"""
