"""Attacks on this grader, tried where they would happen and judged from outside."""
