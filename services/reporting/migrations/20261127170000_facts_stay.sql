-- migrate:up

-- A fact stays as it was inserted: what corrected it is found by folding its stream, and nobody read this column.
alter table fact drop column corrected_by;

-- migrate:down
alter table fact add column corrected_by uuid [] not null default '{}';
