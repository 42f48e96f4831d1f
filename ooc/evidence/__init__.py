"""Export, verification and keys: what an auditor or operator runs."""
