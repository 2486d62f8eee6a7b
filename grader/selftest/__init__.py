"""Proof that the grader holds: attacks on it, judged from outside, and mutants that must lose points."""
