-- migrate:up

-- The transaction that added a fact: the search index reads what was added since it last looked, whatever commits late.
-- Null in rows from before, which an index reads when it is loaded.
alter table fact add column added bigint;
alter table fact alter column added set default pg_current_xact_id()::text::bigint;
create index fact_added on fact (added);

-- migrate:down
drop index fact_added;
alter table fact drop column added;
