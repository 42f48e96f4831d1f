-- migrate:up

-- What access to a stream depends on (shared/domain/permissions.py): whom it mentions, and the marks that its events give it.
-- Null in rows that were folded before: nobody sees them until the worker has folded them anew, which it does first.
alter table stream add column mentions uuid [];
alter table stream add column marks text [];
create index stream_by_mention on stream using gin (mentions);
create index stream_by_home on stream (home);

-- migrate:down
drop index stream_by_home;
drop index stream_by_mention;
alter table stream drop column marks;
alter table stream drop column mentions;
