"""Sending commands from the terminal, and signing what they print."""
