"""Documents as tagged PDF, the same bytes for the same state."""
