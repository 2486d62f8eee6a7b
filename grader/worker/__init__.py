"""Runs inside the sandbox: standard library and NumPy only, started by path."""
