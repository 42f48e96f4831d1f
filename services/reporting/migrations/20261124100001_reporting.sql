-- migrate:up

-- Every event of every service, once, as it was published. A correction's id stands beside the fact that it corrects;
-- nothing is ever counted up or down, so each answer can be given again as of any time and as known at any time.
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
    corrected_by uuid [] not null default '{}',
    primary key (service, stream, version),
    unique (service, position)
);
create index fact_known on fact (service, recorded_at);
create index fact_by_home on fact (home);

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
    primary key (service, stream)
);
create index stream_by_case on stream using gin (cases);
create index stream_by_referral on stream (referral_id) where referral_id is not null;
create index stream_changed on stream (service, updated_at);
create index stream_known on stream (service, recorded_at);
create index stream_by_mention on stream using gin (mentions);
create index stream_by_home on stream (home);

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
    lapsed_on date
);
create index duty_by_stream on duty (service, stream);
create index duty_open on duty (due) where met_on is null and closed_on is null and lapsed_on is null;

-- migrate:down
drop table duty, stream, fact;
