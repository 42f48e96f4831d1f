-- migrate:up

-- What a home has: whoever begins a record there, or adds a long text, is refused where that is too much.
create index stream_by_home on event (home) where version = 1;

-- migrate:down
drop index stream_by_home;
