"""Prediction with the trained models: for two photos, a folder, a web page; exports for other programs."""
