-- migrate:up

-- How far a consumer has come in each partition. It moves in the transaction of its effect, or after an effect that a
-- repeat leaves unchanged; the committed offsets of Kafka are not looked at.
create table checkpoint (
    consumer text not null,
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    primary key (consumer, topic, partition)
);

-- The last version of each stream that a consumer has taken: a gap is a lost event, a lower one a repetition.
create table seen (
    consumer text not null,
    stream text not null,
    version integer not null,
    primary key (consumer, stream)
);

-- Events that a consumer could not read or apply, and all later ones of the same stream, in order and whole.
create table quarantine (
    consumer text not null,
    topic text not null,
    partition integer not null,
    "offset" bigint not null,
    stream text not null,
    version integer,
    headers jsonb not null,
    body bytea not null,
    error text not null,
    quarantined_at timestamptz not null default clock_timestamp(),
    primary key (consumer, topic, partition, "offset")
);
create index quarantine_by_stream on quarantine (consumer, stream);

-- What a person must look at, for as long as it holds: a gap stops a partition, a lost tail leaves none.
create table alarm (
    consumer text not null,
    name text not null,
    place text not null,
    detail text not null,
    raised_at timestamptz not null default clock_timestamp(),
    primary key (consumer, name, place)
);

grant usage on schema public to ooc_app;
grant select, insert, update, delete on checkpoint, seen, quarantine, alarm to ooc_app;

-- migrate:down
drop table alarm, quarantine, seen, checkpoint;
