"""Drawn shoes: what a photo of one is made of, the sample class, and students that training learns from."""
