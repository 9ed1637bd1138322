"""Synthetic photos of shoes: rendering, the synthetic class, and additional training students."""
