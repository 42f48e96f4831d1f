"""Backups of everything: encrypted, listed in a manifest that is signed and witnessed, and the log between two of them."""
