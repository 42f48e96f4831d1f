"""The command `ooc`: the system for people at a terminal. It stands above everything, and nothing imports it."""
