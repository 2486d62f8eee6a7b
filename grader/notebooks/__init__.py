"""Notebooks: what was written in them, their replay in a worker, and what their stored outputs claim."""
