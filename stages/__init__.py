"""Stages of the pipeline, one file each; DVC runs them as `python -m stages.NAME`."""
