"""Checks whose details a student may read; they need no reference."""
