"""People's entrances: the `ooc` command. It talks HTTP like everyone, and has no database."""
