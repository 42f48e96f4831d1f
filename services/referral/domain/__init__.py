"""The domain of referral: pure, without clock, event store or log."""
