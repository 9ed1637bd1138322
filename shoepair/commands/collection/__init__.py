"""Commands that add, list and remove batches and students."""
