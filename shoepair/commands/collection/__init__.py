"""Batches and students come and go."""
