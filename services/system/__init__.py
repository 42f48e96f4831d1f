"""The registry of services, and what follows from it: processes, addresses, Kafka access."""
