"""The domain of the panel: pure, without clock, event store or log."""
