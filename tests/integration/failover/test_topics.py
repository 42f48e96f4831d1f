"""The settings that keep what a topic has confirmed are those of the topic, whatever its brokers' are."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.runtime.provision import events_topic, position_topic, topics
from shared.servers.kafka import administering


async def test_a_topic_elects_no_leader_that_lacks_what_was_confirmed(kafka_bootstrap: str, topic_prefix: str) -> None:
    """Given topics that stand with other settings, when they are provisioned, then an unclean election is refused for each."""
    wanted = [events_topic(f"{topic_prefix}.events", 1), position_topic(f"{topic_prefix}.position", 1)]
    async with administering(kafka_bootstrap) as admin:
        older = events_topic(f"{topic_prefix}.events", 1)
        older.topic_configs["unclean.leader.election.enable"] = "true"
        await admin.create_topics([older])
        await topics(kafka_bootstrap, wanted)
        for topic in wanted:
            settings = await _settings(admin, topic.name)
            assert settings["unclean.leader.election.enable"] == "false"
            assert settings["min.insync.replicas"] == "1"
            assert settings["compression.type"] == "uncompressed"


async def _settings(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    ((_, _, _, _, entries),) = answer.resources
    return {entry[0]: entry[1] for entry in entries}
