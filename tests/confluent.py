"""The options of another client library: what a partner's program would use, and not the services' own."""

from shared.servers.kafka import Kafka, KafkaLogin


def confluent_options(login: Kafka) -> dict[str, str]:
    """Return what a client of confluent-kafka is told of a closed Kafka without TLS, as the local system's is."""
    assert isinstance(login, KafkaLogin)
    assert login.authority is None
    return {
        "bootstrap.servers": login.servers,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": login.mechanism,
        "sasl.username": login.principal,
        "sasl.password": login.password,
    }
