"""Webhooks: the events of what an agency referred, sent to its own address, for those that have no Kafka (ADR 85)."""
