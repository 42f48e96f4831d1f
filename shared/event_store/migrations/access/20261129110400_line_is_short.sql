-- migrate:up

-- Verification and each export read every line: one of a gigabyte would end them for good.
alter table access_log add constraint line_is_short check (
    octet_length(role) + octet_length(organisation) + octet_length(action) + octet_length(target)
    + coalesce(octet_length(reason), 0) + octet_length(outcome) + octet_length(rules::text) <= 20000
) not valid;

-- migrate:down
alter table access_log drop constraint line_is_short;
