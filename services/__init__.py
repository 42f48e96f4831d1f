"""The services of the partnership."""
