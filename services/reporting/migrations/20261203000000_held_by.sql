-- migrate:up

-- The areas that hold a case beside the one that opened it, by this record of it. No record from before says so.
alter table stream add column held_by text [] not null default '{}';
-- A reader of another area looks here for each record: nearly none is in it.
create index stream_held on stream (home) where held_by <> '{}';

-- migrate:down

drop index stream_held;
alter table stream drop column held_by;
