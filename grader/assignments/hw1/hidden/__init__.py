"""Checks that never ship with the student kit."""
