"""Sending commands from the terminal, and following what became of them."""
