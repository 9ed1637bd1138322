"""Ingestion: manifest, validation, decoding, image stats, near-duplicates, splits."""
