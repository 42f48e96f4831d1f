"""Questions about cases at the terminal."""
