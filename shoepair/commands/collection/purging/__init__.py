"""`shoepair forget --purge`: delete every copy of withdrawn students' data, or name it."""
