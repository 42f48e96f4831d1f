-- migrate:up

-- The signer signs for whom a statement is asked as it stands: one line of printable ASCII, as JSON is written.
alter table statement add constraint statement_is_short check (
    octet_length(scope) <= 10000 and scope !~ '[^ -~]' and cardinality(targets) <= 10000 and cardinality(logs) <= 10
) not valid;

-- migrate:down
alter table statement drop constraint statement_is_short;
