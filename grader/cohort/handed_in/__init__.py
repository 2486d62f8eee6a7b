"""What a class handed in: found in the download of a place, and named by a roster."""
