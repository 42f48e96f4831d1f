#!/bin/bash
# Makes the data directory at the first start, then runs the server as the user postgres, as the image's own script does.
set -eu
[ "${1:-}" = postgres ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres "${PGDATA%/*}"
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    password=${POSTGRES_PASSWORD:-}
    [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || password=$(< "$POSTGRES_PASSWORD_FILE")
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "$password" ] && [ "$method" != trust ]; then
        echo "There is no password for the superuser: set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE." >&2
        exit 1
    fi
    # shellcheck disable=SC2086 # several options in one variable
    initdb --username=postgres --pwfile=<(echo "${password:-unused}") ${POSTGRES_INITDB_ARGS:-}
    echo "host all all all $method" >> "$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
fi
exec "$@"
