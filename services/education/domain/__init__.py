"""The domain of education: pure, without clock, event store or log."""
