"""Grades into the file that a place's own gradebook takes back."""
