"""Kafka: the relay of the transactional outbox, consumers, projections and reactions."""
