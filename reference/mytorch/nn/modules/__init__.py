"""Layers and losses, one file a kind."""
