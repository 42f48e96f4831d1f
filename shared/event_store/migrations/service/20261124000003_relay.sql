-- migrate:up

-- What the relay has published, for people and readiness probes; the truth is the position record in Kafka.
create table relayed (
    only_row boolean primary key default true check (only_row),
    position bigint not null,
    offsets jsonb not null,
    relayed_at timestamptz not null default clock_timestamp()
);
grant select, insert, update on relayed to ooc_app;

-- migrate:down
drop table relayed;
