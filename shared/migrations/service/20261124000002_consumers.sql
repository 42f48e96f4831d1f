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

-- Reactions that were refused, to be tried again when their target stream moves.
create table parked (
    command_id uuid primary key,
    consumer text not null,
    reaction text not null,
    source_stream text not null,
    source_version integer not null,
    target_stream text not null,
    body bytea not null,
    rules text [] not null,
    reason text not null,
    attempts integer not null default 1,
    tried_version integer not null,
    parked_at timestamptz not null default clock_timestamp(),
    sequence bigint generated always as identity
);
create index parked_by_target on parked (target_stream);

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

-- migrate:down
drop table quarantine, parked, seen, checkpoint;
