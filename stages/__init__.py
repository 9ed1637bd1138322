"""The stages of the pipeline, one file each, run by DVC as `python -m stages.NAME`."""
