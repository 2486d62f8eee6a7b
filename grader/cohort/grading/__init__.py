"""A class is graded: what is known stays, the rest runs somewhere, and each result is on disk at once."""
