-- migrate:up

-- Whether a mark stands without its labels for the release before alone, which knows none.
alter table linked_mark add column for_older boolean not null default false;

-- migrate:down
alter table linked_mark drop column for_older;
