"""Grades hand-written deep learning: values cross the sandbox boundary, verdicts do not."""
