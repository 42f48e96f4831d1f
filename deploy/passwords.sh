#!/bin/sh
# Makes the secrets that docker-compose.yml hands to its containers, in deploy/passwords; what is there stays as it is.
# They are a password for the superuser, for each database role and for Keycloak's first administrator, and the
# key-encryption key.
# The directory is closed to others on this machine; the files in it can be read, since containers run as users of their own.
set -eu
cd "$(dirname "$0")"
mkdir -p passwords
chmod 700 passwords
[ -s passwords/kek ] || openssl rand -base64 32 > passwords/kek
chmod 644 passwords/kek
for name in \
    keycloak \
    postgres \
    ooc_referral_api \
    ooc_referral_worker \
    ooc_referral_relay \
    ooc_education_api \
    ooc_education_worker \
    ooc_education_relay \
    ooc_disposal_api \
    ooc_disposal_worker \
    ooc_disposal_relay \
    ooc_rj_conference_api \
    ooc_rj_conference_worker \
    ooc_rj_conference_relay \
    ooc_reporting_api \
    ooc_reporting_worker \
    ooc_verify \
    ooc_erasure; do
    [ -s "passwords/$name" ] || openssl rand -hex 24 > "passwords/$name"
    chmod 644 "passwords/$name"
done
