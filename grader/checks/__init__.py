"""Comparisons that know no homework."""
