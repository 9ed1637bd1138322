"""The `shoepair` command line."""
