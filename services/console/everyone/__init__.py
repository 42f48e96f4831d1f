"""Pages for whoever signs in: the entrance, the reason for a look, the rules of a day."""
