"""Auditors' pages: proofs, bundles, the page for inspectors."""
