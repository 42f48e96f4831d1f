#!/bin/sh
# Makes the secrets that docker-compose.yml hands to its containers, in deploy/passwords; what is there stays as it is.
# They are a password for the superuser, for each database role, for each login of Kafka and for Keycloak's first
# administrator, and the key-encryption key, the key that signs checkpoints, the console's key for sessions and drafts and that of webhooks.
# Kafka has besides a certificate with its key, the authority that signed it, and a file of the logins that it knows by itself.
# Their names are those of `secrets` there.
# The directory is closed to others on this machine; the files in it can be read, since containers run as users of their own.
set -eu
cd "$(dirname "$0")"
mkdir -p passwords
chmod 700 passwords

# Makes an authority, whose key is then thrown away, and the one certificate that it signs: for Kafka under its names, alone and in a cluster.
make_certificate() {
    work=$(mktemp -d)
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj "/CN=ooc authority" \
        -addext "keyUsage=critical,keyCertSign" -keyout "$work/authority.key" -out "$work/authority" 2> "$work/said"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=kafka" \
        -keyout "$work/key" -out "$work/request" 2>> "$work/said"
    printf '%s\n' "subjectAltName=DNS:kafka,DNS:localhost,IP:127.0.0.1" "basicConstraints=critical,CA:FALSE" \
        "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth,clientAuth" \
        "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid" > "$work/extensions"
    openssl x509 -req -in "$work/request" -CA "$work/authority" -CAkey "$work/authority.key" -CAcreateserial -days 825 \
        -extfile "$work/extensions" -out "$work/certificate" 2>> "$work/said"
    cat "$work/key" "$work/certificate" > passwords/kafka_certificate
    cat "$work/authority" > passwords/kafka_authority
    rm -r "$work"
}

# Prints what the node knows by itself: its own password, and that of whoever makes all others.
kafka_logins() {
    own=$(openssl rand -hex 24)
    cat << LOGINS
KafkaServer {
    org.apache.kafka.common.security.scram.ScramLoginModule required;
    org.apache.kafka.common.security.plain.PlainLoginModule required
        username="kafka_broker" password="$own"
        user_kafka_broker="$own" user_kafka_provision="$(cat passwords/kafka_provision)";
};
LOGINS
}

names=$(sed -n 's|^  [a-z_]*: {file: deploy/passwords/\([a-z_]*\)}$|\1|p' ../docker-compose.yml)
for name in $names; do
    if [ ! -s "passwords/$name" ]; then
        case $name in
            kek | signing | console | webhooks) openssl rand -base64 32 > "passwords/$name" ;;
            kafka_logins | kafka_certificate | kafka_authority) ;;
            *) openssl rand -hex 24 > "passwords/$name" ;;
        esac
    fi
done
[ -s passwords/kafka_logins ] || kafka_logins > passwords/kafka_logins
[ -s passwords/kafka_certificate ] && [ -s passwords/kafka_authority ] || make_certificate
for name in $names; do
    chmod 644 "passwords/$name"
done
