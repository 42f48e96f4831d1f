"""Connections and settings: PostgreSQL, Kafka, HTTP."""
