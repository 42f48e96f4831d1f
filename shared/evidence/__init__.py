"""Tamper evidence: Merkle trees over a service's logs, signed checkpoints, proofs, and a witness that cosigns them.

The trees and proofs are those of RFC 9162, the checkpoints those of C2SP (tlog-checkpoint, signed-note, tlog-witness).
One kept checkpoint proves a later rewriting of the log, without trust in the database.
"""
