"""Notebooks as data: what a student wrote in them. Nothing here runs a cell."""
