"""The words, tables and pixels of a class: naming, schemas, stores, pairs."""
