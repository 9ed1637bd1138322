"""Data formats and data loading: photo names, table schemas, photo stores, pairs."""
