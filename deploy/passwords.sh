#!/bin/sh
# Makes a password for the superuser and for each database role that has none yet, in deploy/passwords, for docker-compose.yml.
# The directory is closed to others on this machine; the files in it can be read, since containers run as users of their own.
set -eu
cd "$(dirname "$0")"
mkdir -p passwords
chmod 700 passwords
for role in \
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
    [ -s "passwords/$role" ] || openssl rand -hex 24 > "passwords/$role"
    chmod 644 "passwords/$role"
done
