"""The law and practice of out-of-court disposals, as pure functions."""
