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
    -- Who looks after it, and since when. It goes with the alarm: one that is raised again after its end is new.
    attended_by text check (octet_length(attended_by) <= 200),
    attended_at timestamptz,
    primary key (consumer, name, place),
    -- Every process reads the alarms.
    constraint alarm_is_short check (
        octet_length(consumer) + octet_length(name) + octet_length(place) <= 1000 and octet_length(detail) <= 4000
    )
);

-- Clears the alarms of a consumer by name, at one place or at every one. A role that may delete from the table could lock it.
create function clear_alarms(p_consumer text, p_names text [], p_place text default null) returns void
language sql security definer set search_path = public, pg_temp as $$
    delete from alarm where consumer = p_consumer and name = any(p_names) and (p_place is null or place = p_place)
$$;

-- The decisions of operators about quarantined records, gaps and alarms: who, why and when. Append-only.
create table quarantine_decision (
    id bigint generated always as identity primary key,
    consumer text not null,
    action text not null check (action in ('skip', 'skip_missing', 'retry', 'acknowledge', 'attend')),
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

-- What waits: parked reactions, streams in quarantine and lost commands, as the events of waits tell of them (shared/domain/waiting.py).
-- A service's own rows are what its worker has recorded; the others came with the events of the services that follow it.
create table waiting (
    id uuid primary key,
    -- Where it waits.
    service text not null,
    kind text not null check (kind in ('REACTION', 'STREAM', 'COMMAND')),
    consumer text not null,
    name text not null,
    source text not null,
    version integer not null,
    targets text [] not null,
    home uuid not null,
    rules text [] not null,
    reason text not null,
    sentence text not null,
    since timestamptz not null,
    ended_at timestamptz,
    -- Whether a person has closed it, so that it is never taken up again.
    closed boolean not null default false,
    -- Of a command that was lost with a branch of the log: the person who sent it.
    sender uuid
);
create index waiting_by_source on waiting (source);
create index waiting_by_target on waiting using gin (targets);
create index waiting_by_home on waiting (home);
create index waiting_open on waiting (service) where ended_at is null;

-- How long the steps of an event's way took: by step, the number of events in each bucket of a histogram and their seconds
-- together. Every process of the service adds what it has observed, every few seconds. No row says whose event it was.
create table latency (
    step text not null,
    -- The upper bound of the bucket, in seconds; the last is infinite.
    at_most double precision not null,
    events bigint not null,
    seconds double precision not null,
    primary key (step, at_most)
);

-- Who does what a service has only one of: for each database role the process that does it, and until when. A process that
-- hangs renews nothing, whatever its connections do, so another takes over.
create table lease (
    role text primary key,
    holder uuid not null,
    taken_at timestamptz not null,
    expires_at timestamptz not null
);

-- Takes the lease of the calling role for some seconds, or renews it; says whether the caller holds it. With 0 it is given
-- back, by its holder alone. An expiry further away than that comes from the clock of another primary, and binds nobody.
create function take_lease(p_holder uuid, p_seconds double precision) returns boolean
language sql security definer set search_path = public, pg_temp as $$
    with asked as (select clock_timestamp() as at, make_interval(secs => p_seconds) as term),
    taken as (
        insert into lease (role, holder, taken_at, expires_at)
        select session_user, p_holder, asked.at, asked.at + asked.term from asked
        on conflict (role) do update set holder = excluded.holder, expires_at = excluded.expires_at,
            taken_at = case lease.holder when excluded.holder then lease.taken_at else excluded.taken_at end
        where lease.holder = excluded.holder
            or p_seconds > 0 and lease.expires_at not between excluded.taken_at and excluded.expires_at
        returning true
    )
    select exists (select from taken)
$$;

-- When each part of a worker (relay, signer, a consumer, the watch over topics) last finished a cycle, whatever it found to do.
create table progress (
    part text primary key check (octet_length(part) <= 200),
    finished_at timestamptz not null
);

-- The fewest replicas that a partition of a topic has, and those of them that are in sync.
create table replication (
    topic text primary key check (octet_length(topic) <= 250),
    replicas integer not null,
    in_sync integer not null
);

-- How many synchronous standbys there are; null where none is demanded, or where the owner may not see them (pg_monitor).
create function synchronous_standbys() returns bigint
language sql stable security definer set search_path = public, pg_temp as $$
    select count(*) filter (where sync_state in ('sync', 'quorum')) from pg_stat_replication
    having current_setting('synchronous_standby_names') <> '' and pg_has_role(current_user, 'pg_read_all_stats', 'usage')
$$;

-- migrate:down
