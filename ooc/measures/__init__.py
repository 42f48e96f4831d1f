"""Measures and returns at the terminal."""
