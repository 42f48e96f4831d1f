"""A witness: a small program of another party, which cosigns only checkpoints that extend what it has seen.

It holds a key and a state of its own, and knows nothing of the system but the public keys of its logs. A log that shows
it one history, and others another, is found out: https://c2sp.org/tlog-witness.
"""
