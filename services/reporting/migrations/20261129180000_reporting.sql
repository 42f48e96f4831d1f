-- migrate:up

-- Every event of every service, once, as it was published. Nothing is ever counted up or down, so each answer can be given
-- again as of any time and as known at any time.
create table fact (
    service text not null,
    stream uuid not null,
    version integer not null check (version > 0),
    event_id uuid not null,
    type text not null,
    home uuid not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    position bigint not null,
    hash bytea not null check (octet_length(hash) = 32),
    body bytea not null,
    -- The transaction that added it: the search index reads what was added since it last looked, whatever commits late.
    -- Null in rows from before, which an index reads when it is loaded.
    added bigint default pg_current_xact_id()::text::bigint,
    primary key (service, stream, version),
    unique (service, position)
);
create index fact_known on fact (service, recorded_at);
create index fact_by_home on fact (home);
create index fact_added on fact (added);

-- One row for each stream, folded from its facts: what its owner shows of it, and what measures count from.
create table stream (
    service text not null,
    stream uuid not null,
    home uuid not null,
    version integer not null,
    position bigint not null,
    hash bytea not null,
    state text not null,
    open boolean not null,
    view jsonb not null,
    record jsonb not null,
    area text,
    officer uuid,
    cases uuid [] not null,
    referral_id uuid,
    opened_at timestamptz not null,
    updated_at timestamptz not null,
    recorded_at timestamptz not null,
    -- What access to a stream depends on (shared/domain/permissions.py): whom it mentions, and the marks that its events
    -- give it. Nobody sees a row in which they are null until the worker has folded it anew, which it does first.
    mentions uuid [],
    marks text [],
    -- When its first event was recorded: what was known at a time begins there.
    begun_at timestamptz not null,
    -- From the first to the last day on which it may count in a measure, and the person whose other streams may matter.
    counted daterange,
    subject uuid,
    primary key (service, stream)
);
create index stream_by_case on stream using gin (cases);
create index stream_by_referral on stream (referral_id) where referral_id is not null;
create index stream_by_mention on stream using gin (mentions);
create index stream_by_home on stream (home);
create index stream_by_subject on stream (subject) where subject is not null;
create index stream_counted on stream using gist (counted);
create index stream_open on stream (service) where open;
-- The streams that had begun by a time and changed after it: few, however many there are.
create index stream_alive on stream using gist (tstzrange(opened_at, updated_at));
-- The streams of which a part was known at a time and a part was not: few, however much was recorded since.
create index stream_partly_known on stream using gist (tstzrange(begun_at, greatest(begun_at, recorded_at)));
-- The streams that moved after some positions.
create index stream_position on stream (service, position);
-- The list of cases: its filters, and its orders by the latest change and by the latest beginning.
create index stream_by_area on stream (area);
create index stream_by_state on stream (state, home);
create index stream_by_officer on stream (officer, home) where officer is not null;
create index stream_by_change on stream (recorded_at desc, home);
create index stream_by_opening on stream (opened_at desc, home);

-- Every duty that a stream ever opened, so that the sheet of any day is one query.
create table duty (
    service text not null,
    stream uuid not null,
    home uuid not null,
    duty text not null,
    item text not null,
    opened_on date not null,
    due date not null,
    met_on date,
    closed_on date,
    area text,
    -- The day on which the stream was closed before the duty was met: the case shows it, the sheet does not.
    lapsed_on date,
    -- The days on which it stood open, so that the sheet of any day is one look into an index.
    during daterange generated always as (
        case when least(met_on, closed_on, lapsed_on) <= opened_on then 'empty'::daterange
        else daterange(opened_on, least(met_on, closed_on, lapsed_on)) end
    ) stored
);
create index duty_by_stream on duty (service, stream);
-- Unmet duties in the order of the list of cases, in that of the daily sheet, and of one case, by one expression. PostgreSQL
-- expects few rows of it, as there are; of three columns that are each null in most rows it expected nearly all, and read
-- the whole table.
create index duty_open_by_case on duty (due, home) where coalesce(met_on, closed_on, lapsed_on) is null;
create index duty_open on duty (due, service collate "C", stream, duty collate "C", item collate "C")
where coalesce(met_on, closed_on, lapsed_on) is null;
create index duty_open_of_case on duty (home) where coalesce(met_on, closed_on, lapsed_on) is null;
-- A duty that ended, by the days on which it stood open: those that still do are in the indexes above.
create index duty_ended on duty using gist (during) where not upper_inf(during);

-- The position of each service up to which no event is missing, kept with each batch, so that no answer counts the facts.
create table high_water_mark (
    service text primary key,
    position bigint not null check (position >= 0)
);

-- When the projection last held everything that it knew to be published, by service: the worker writes it every few
-- seconds while Kafka answers, and an answer is stale where it has not for longer.
create table freshness (
    service text primary key,
    caught_up_at timestamptz not null
);

-- A return as it was made: what was asked, the positions that were counted, the definition and policy by which, and the
-- bytes of the answer. The line of the access log that records its making holds the SHA-256 of the bytes.
create table frozen_return (
    id uuid primary key,
    frozen_at timestamptz not null default clock_timestamp(),
    actor uuid not null,
    organisation text not null,
    measure text not null,
    first_day date not null,
    last_day date not null check (last_day >= first_day),
    group_by text,
    positions jsonb not null,
    definition_version text not null,
    definition text not null,
    policy jsonb not null,
    answer bytea not null,
    sha256 bytea not null check (sha256 = sha256(answer))
);
create index frozen_return_latest on frozen_return (frozen_at);
create trigger frozen_return_is_append_only before update or delete or truncate on frozen_return
for each statement execute function refuse_change();

-- What was published of a measure of a protected characteristic: one table for each quarter or year, for ever. Two that are
-- counted at once take the same number of their year, so each is counted with all that are known before it.
create table published_table (
    measure text not null,
    year date not null,
    number integer not null check (number > 0),
    first_day date not null,
    last_day date not null,
    total integer not null,
    shown jsonb not null,
    positions jsonb not null,
    published_at timestamptz not null default clock_timestamp(),
    -- What only a process that opens sealed words can make of a row: a login to this database alone publishes nothing.
    proof bytea,
    primary key (measure, year, number),
    unique (measure, first_day, last_day),
    constraint published_table_has_proof check (proof is not null)
);
create trigger published_table_is_append_only before update or delete or truncate on published_table
for each statement execute function refuse_change();

-- A report of `ooc verify`, to the byte. The line of the access log that records its keeping holds the SHA-256 of the bytes.
create table verification_report (
    id uuid primary key,
    kept_at timestamptz not null default clock_timestamp(),
    actor uuid not null,
    whole boolean not null,
    report bytea not null,
    sha256 bytea not null check (sha256 = sha256(report))
);
create index verification_report_latest on verification_report (kept_at);
create trigger verification_report_is_append_only before update or delete or truncate on verification_report
for each statement execute function refuse_change();

-- When the operator last did what the system is restored by; the owner writes it (`ooc backup`, `ooc restore drill`).
create table upkeep (
    kind text primary key check (kind in ('backup', 'drill')),
    done_at timestamptz not null default clock_timestamp()
);

-- migrate:down
