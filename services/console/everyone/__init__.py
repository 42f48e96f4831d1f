"""Pages for all who sign in: the entrance, the reason for a look, the rules of a day."""
