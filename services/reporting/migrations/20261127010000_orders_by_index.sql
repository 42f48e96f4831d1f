-- migrate:up

-- The list of cases by the latest change and by the latest beginning: a page reads what it shows.
create index stream_by_change on stream (recorded_at desc, home);
create index stream_by_opening on stream (opened_at desc, home);

-- The streams of which a part was known at a time and a part was not: few, however much was recorded since.
create index stream_partly_known on stream using gist (tstzrange(begun_at, greatest(begun_at, recorded_at)));
drop index stream_known;

-- migrate:down
create index stream_known on stream (service, recorded_at);
drop index stream_partly_known;
drop index stream_by_opening;
drop index stream_by_change;
