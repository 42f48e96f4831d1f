-- migrate:up

-- The next offset of each consumer in each partition. It moves in the transaction of its effect, or after an effect that a
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
    -- The hash of that version, and the first eight bytes of the hash of every version in order: a version that comes
    -- again is compared with the one taken. Null, or eight zeros: of a version that an operator skipped.
    hash bytea check (octet_length(hash) = 32),
    digests bytea,
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
    -- The name of the alarm about the record; `behind`: only an earlier record of its stream is at fault.
    cause text not null default 'poison',
    key bytea,
    hash bytea,
    -- Whether it stands for a position of its service's event store; a record that the relay did not write does not.
    counted boolean not null default true,
    -- An operator has asked the consumer to try the stream again.
    retry boolean not null default false,
    primary key (consumer, topic, partition, "offset")
);
create index quarantine_by_stream on quarantine (consumer, stream);
create index quarantine_to_retry on quarantine (consumer, stream) where retry;
create index quarantine_by_place on quarantine (consumer, topic, partition, cause, "offset");

-- What a person must look at, for as long as it holds: a gap stops a partition, a lost tail leaves none.
create table alarm (
    consumer text not null,
    name text not null,
    place text not null,
    detail text not null,
    raised_at timestamptz not null default clock_timestamp(),
    primary key (consumer, name, place)
);

-- The decisions of operators about quarantined records, gaps and alarms: who, why and when. Append-only.
create table quarantine_decision (
    id bigint generated always as identity primary key,
    consumer text not null,
    action text not null check (action in ('skip', 'skip_missing', 'retry', 'acknowledge')),
    stream text not null,
    first_version integer,
    last_version integer,
    topic text,
    partition integer,
    "offset" bigint,
    cause text not null,
    error text not null,
    -- The position of a skipped record that no version in `seen` stands for.
    counted boolean not null default false,
    actor text not null check (actor <> '' and length(actor) <= 200),
    reason text not null check (reason <> '' and length(reason) <= 1000),
    decided_at timestamptz not null default clock_timestamp()
);

create function refuse_decision_change() returns trigger language plpgsql as $$
begin
    raise exception 'a decision about quarantine is never changed: record another one';
end
$$;
create trigger quarantine_decision_append_only before update or delete or truncate on quarantine_decision
for each statement execute function refuse_decision_change();

-- migrate:down
drop table quarantine_decision, alarm, quarantine, seen, checkpoint;
drop function refuse_decision_change;
