"""Pairs of submissions that share unusual code: for a person to look at, never a verdict.

tokens (what renaming, comments and formatting do not change) -> winnowing (fingerprints) -> index (how usual
each one is in the class, and which submissions share it) -> regions (where, side by side) -> page and JSON.
"""
