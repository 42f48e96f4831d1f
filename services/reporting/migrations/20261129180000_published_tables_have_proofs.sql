-- migrate:up

-- What only a process that opens sealed words can make of a row: a login to this database alone publishes nothing. Rows that
-- stand already have none; no other can be without.
alter table published_table add column proof bytea;
alter table published_table add constraint published_table_has_proof check (proof is not null) not valid;

-- migrate:down
alter table published_table drop column proof;
