"""The same failure of many: clusters, and the comments that people give them."""
