"""The commands for a whole class, as a person calls them and sees what they say."""
