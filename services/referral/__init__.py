"""Referral: what schools, police and others report, its triage, and the crime's outcome."""
