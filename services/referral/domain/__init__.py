"""The domain of referral: pure, without clock, ledger or log."""
