"""Out-of-court disposals: from the opening of a case to the day on which its caution is completed, spent or failed."""
