"""PostgreSQL, Kafka and an identity provider on a bare machine, and a supervisor for what runs on them.

For development, tests and the demonstration; the servers are the real ones. Nothing here knows what the system is for.
"""
