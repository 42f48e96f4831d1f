"""The domain of people: pure, without clock, log or framework."""
