"""What is graded: one folder a homework."""
