import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * The same service as alerts.py, in Java: it follows the partnership's events and prints the same alerts. It keeps its state,
 * places included, in one JSON file that is replaced as a whole: a repeat is known by the version of its stream.
 */
public final class Alerts {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final List<String> TOPICS = List.of("ooc.referral.events", "ooc.education.events");
    private static final int PARTITIONS = 12;
    private static final String LINKED = "ooc.referral.PersonLinked.v1";
    private static final String TRIAGED = "ooc.referral.ReferralTriaged.v1";
    private static final String ATTENDED = "ooc.education.AttendanceRecorded.v1";
    private static final String DECIDED = "ooc.education.AbsenceReasonDecided.v1";
    private static final Set<String> WANTED = Set.of(LINKED, TRIAGED, ATTENDED, DECIDED);
    private static final Set<String> CORRECTIONS =
            Set.of("ooc.referral.ReferralCorrected.v1", "ooc.education.RecordCorrected.v1");

    /** What a person must look at before anything more is taken. */
    @SuppressWarnings("serial")
    static final class Stop extends RuntimeException {
        Stop(String message) {
            super(message);
        }
    }

    private final String kafka;
    private final String password;
    private final Path file;
    private final Set<String> schools;
    private final int batch;
    private final Map<String, JsonNode> positions = new HashMap<>();
    private ObjectNode state;

    private Alerts(String kafka, String password, Path file, Set<String> schools, int batch) throws IOException {
        this.kafka = kafka;
        this.password = password;
        this.file = file;
        this.schools = schools;
        this.batch = batch;
        state = Files.exists(file)
                ? (ObjectNode) JSON.readTree(file.toFile())
                : (ObjectNode) JSON.readTree("{\"places\": {}, \"streams\": {}, \"events\": {}}");
    }

    public static void main(String[] arguments) throws Exception {
        String kafka = "127.0.0.1:8121";
        String password = "";
        Path file = Path.of("alerts.json");
        Set<String> schools = new HashSet<>();
        int batch = 500;
        for (int n = 0; n + 1 < arguments.length; n += 2) {
            switch (arguments[n]) {
                case "--kafka" -> kafka = arguments[n + 1];
                case "--password" -> password = Files.readString(Path.of(arguments[n + 1])).strip();
                case "--state" -> file = Path.of(arguments[n + 1]);
                case "--school" -> schools.add(arguments[n + 1]);
                case "--batch" -> batch = Integer.parseInt(arguments[n + 1]);
                default -> throw new IllegalArgumentException("unknown: " + arguments[n]);
            }
        }
        Alerts alerts = new Alerts(kafka, password, file, schools, batch);
        try {
            alerts.catchUp();
        } catch (Stop stop) {
            System.err.println("Stopped: " + stop.getMessage());
            System.exit(3);
        }
        for (JsonNode alert : alerts.alerts()) {
            System.out.println(JSON.writeValueAsString(alert));
        }
    }

    /** Take every event that the position records of now name. */
    private void catchUp() throws IOException {
        Map<String, JsonNode> targets = new HashMap<>();
        for (String topic : TOPICS) {
            targets.put(topic, position(topic));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            List<TopicPartition> all = new ArrayList<>();
            for (String topic : TOPICS) {
                for (int number = 0; number < PARTITIONS; number++) {
                    all.add(new TopicPartition(topic, number));
                }
            }
            consumer.assign(all);
            for (TopicPartition partition : all) {
                consumer.seek(partition, place(partition));
            }
            while (!isCaughtUp(targets)) {
                Set<TopicPartition> held = new HashSet<>();
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    TopicPartition partition = new TopicPartition(record.topic(), record.partition());
                    if (held.contains(partition)) {
                        continue;
                    }
                    if (!isVouchedFor(record)) {
                        // Nothing vouches for it yet, so it is read again, and what comes after it.
                        held.add(partition);
                        consumer.seek(partition, record.offset());
                        continue;
                    }
                    if (!isForeign(record)) {
                        take(record);
                    }
                    ((ObjectNode) state.get("places")).put(partition.toString(), record.offset() + 1);
                }
                save();
            }
        }
    }

    private void take(ConsumerRecord<byte[], byte[]> record) throws IOException {
        String where = record.topic() + ", partition " + record.partition() + ", offset " + record.offset();
        String stream = header(record, "ce_subject");
        String type = header(record, "ce_type");
        int version = Integer.parseInt(header(record, "ooc_version"));
        ObjectNode streams = (ObjectNode) state.get("streams");
        JsonNode known = streams.path(stream);
        int last = known.path("version").asInt(0);
        if (version <= last) {
            return; // seen before: whatever sends it again, the version of the stream tells
        }
        if (version > last + 1) {
            throw new Stop(where + ": " + stream + " goes from version " + last + " to " + version);
        }
        String previous = known.path("hash").asText("00".repeat(32));
        if (!hash(previous, record.value()).equals(header(record, "ooc_hash"))) {
            throw new Stop(where + ": version " + version + " of " + stream + " is not what was recorded");
        }
        streams.putObject(stream).put("version", version).put("hash", header(record, "ooc_hash"));
        if (WANTED.contains(type)) {
            JsonNode event = JSON.readTree(record.value());
            ((ObjectNode) state.get("events")).set(event.get("event_id").asText(), event);
        } else if (CORRECTIONS.contains(type)) {
            correct(JSON.readTree(record.value()).get("data"));
        }
    }

    /** Put right what an earlier event of the stream said. A sealed value is none of our business. */
    private void correct(JsonNode data) {
        List<JsonNode> changes = new ArrayList<>();
        if (data.get("sealed").isNull()) {
            changes.add(data);
        }
        data.get("also").forEach(changes::add);
        for (JsonNode change : changes) {
            String[] path = change.get("field").asText().split("\\.");
            JsonNode place = state.get("events").path(change.get("corrects").asText()).path("data");
            for (int n = 0; n < path.length - 1; n++) {
                place = place.isArray() ? place.path(Integer.parseInt(path[n])) : place.path(path[n]);
            }
            String name = path[path.length - 1];
            if (place instanceof ObjectNode object) {
                object.set(name, change.get("value"));
            } else if (place instanceof ArrayNode array) {
                array.set(Integer.parseInt(name), change.get("value"));
            }
        }
    }

    /** Every alert, computed from the facts, so that no order between topics matters. */
    private List<JsonNode> alerts() {
        Map<String, JsonNode> links = latest(Set.of(LINKED));
        links.values().removeIf(event -> !isOurs(event.get("data")));
        List<JsonNode> found = new ArrayList<>();
        Map<String, String> schoolOf = new HashMap<>();
        for (JsonNode link : links.values()) {
            String urn = link.at("/data/details/school_urn").asText();
            schoolOf.merge(link.at("/data/person_id").asText(), urn, (one, other) -> one.compareTo(other) > 0 ? one : other);
            for (JsonNode event : state.get("events")) {
                if (event.get("type").asText().equals(TRIAGED)
                        && event.get("stream").equals(link.get("stream"))
                        && event.at("/data/outcome").asText().equals("REFER_EARLY_HELP")) {
                    found.add(alert("REFERRED_TO_EARLY_HELP", link.at("/data/person_id").asText(), urn, event));
                }
            }
        }
        Map<String, List<JsonNode>> absences = new TreeMap<>();
        for (JsonNode event : latest(Set.of(ATTENDED, DECIDED)).values()) {
            boolean missed = event.get("type").asText().equals(DECIDED)
                    ? !event.at("/data/acceptable").asBoolean()
                    : event.at("/data/status").asText().equals("DNA_UNACCEPTABLE");
            if (missed) {
                absences.computeIfAbsent(event.at("/data/person_id").asText(), key -> new ArrayList<>()).add(event);
            }
        }
        absences.forEach((person, missed) -> {
            missed.sort(Comparator.comparing((JsonNode event) -> event.get("occurred_at").asText())
                    .thenComparing(event -> event.get("event_id").asText()));
            if (missed.size() >= 2 && schoolOf.containsKey(person)) {
                found.add(alert("MISSED_SESSIONS", person, schoolOf.get(person), missed.get(1)));
            }
        });
        found.sort(Comparator.comparing((JsonNode alert) -> alert.get("since").asText())
                .thenComparing(alert -> alert.get("person_id").asText())
                .thenComparing(alert -> alert.get("kind").asText()));
        return found;
    }

    private boolean isOurs(JsonNode data) {
        return Set.of("HARMER", "HARMED").contains(data.get("role").asText())
                && schools.contains(data.at("/details/school_urn").asText());
    }

    /** The latest event of these types for each stream and person. */
    private Map<String, JsonNode> latest(Set<String> types) {
        Map<String, JsonNode> found = new TreeMap<>();
        for (JsonNode event : state.get("events")) {
            if (types.contains(event.get("type").asText())) {
                String key = event.get("stream").asText() + " " + event.at("/data/person_id").asText();
                found.merge(key, event, (one, other) ->
                        one.get("version").asInt() > other.get("version").asInt() ? one : other);
            }
        }
        return found;
    }

    private static ObjectNode alert(String kind, String person, String urn, JsonNode because) {
        return JSON.createObjectNode()
                .put("kind", kind)
                .put("person_id", person)
                .put("school_urn", urn)
                .put("because", because.get("event_id").asText())
                .put("since", because.get("occurred_at").asText());
    }

    private boolean isVouchedFor(ConsumerRecord<byte[], byte[]> record) throws IOException {
        if (record.offset() >= end(record)) {
            positions.remove(record.topic());
        }
        return record.offset() < end(record);
    }

    private boolean isForeign(ConsumerRecord<byte[], byte[]> record) throws IOException {
        for (JsonNode range : position(record.topic()).path("foreign").path(String.valueOf(record.partition()))) {
            if (range.get(0).asLong() <= record.offset() && record.offset() < range.get(1).asLong()) {
                return true;
            }
        }
        return false;
    }

    private long end(ConsumerRecord<byte[], byte[]> record) throws IOException {
        return position(record.topic()).get("offsets").path(String.valueOf(record.partition())).asLong(0);
    }

    /** The last position record of an events topic, as it was when it was last read. */
    private JsonNode position(String topic) throws IOException {
        JsonNode known = positions.get(topic);
        if (known == null) {
            known = JSON.readTree("{\"position\": 0, \"offsets\": {}}");
            TopicPartition partition = new TopicPartition(topic.replaceFirst("\\.events$", ".position"), 0);
            try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
                consumer.assign(List.of(partition));
                consumer.seekToBeginning(List.of(partition));
                long end = consumer.endOffsets(List.of(partition)).get(partition);
                while (consumer.position(partition) < end) {
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                        known = JSON.readTree(record.value());
                    }
                }
            }
            positions.put(topic, known);
        }
        return known;
    }

    private boolean isCaughtUp(Map<String, JsonNode> targets) {
        for (Map.Entry<String, JsonNode> target : targets.entrySet()) {
            for (Map.Entry<String, JsonNode> offset : target.getValue().get("offsets").properties()) {
                TopicPartition partition = new TopicPartition(target.getKey(), Integer.parseInt(offset.getKey()));
                if (place(partition) < offset.getValue().asLong()) {
                    return false;
                }
            }
        }
        return true;
    }

    private long place(TopicPartition partition) {
        return state.get("places").path(partition.toString()).asLong(0);
    }

    /** Replace the file as a whole: after a crash it is the old one or the new one. */
    private void save() throws IOException {
        Path next = file.resolveSibling(file.getFileName() + ".next");
        Files.write(next, JSON.writeValueAsBytes(state));
        try (FileChannel channel = FileChannel.open(next, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private KafkaConsumer<byte[], byte[]> consumer() {
        String login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
                + " username=\"partner_wessex_trust\" password=\"" + password + "\";";
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", kafka,
                "security.protocol", "SASL_PLAINTEXT",
                "sasl.mechanism", "SCRAM-SHA-512",
                "sasl.jaas.config", login,
                "group.id", "wessex_trust",
                "isolation.level", "read_committed",
                "enable.auto.commit", false,
                "max.poll.records", batch,
                "auto.offset.reset", "none");
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
    }

    private static String hash(String previous, byte[] body) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(HexFormat.of().parseHex(previous));
            return HexFormat.of().formatHex(digest.digest(body));
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }
}
