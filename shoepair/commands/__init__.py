"""The `shoepair` program: everything that a person types."""
