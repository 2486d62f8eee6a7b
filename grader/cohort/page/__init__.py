"""The page of a class: what it says, and how it is drawn."""
