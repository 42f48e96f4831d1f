"""The domain of education: pure, without clock, ledger or log."""
