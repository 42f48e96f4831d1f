"""Encryption of personal fields under keys that can be destroyed (crypto-shredding)."""
