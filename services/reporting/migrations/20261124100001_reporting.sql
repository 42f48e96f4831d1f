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
    primary key (service, stream)
);
create index stream_by_case on stream using gin (cases);
create index stream_by_referral on stream (referral_id) where referral_id is not null;
create index stream_changed on stream (service, updated_at);
create index stream_known on stream (service, recorded_at);

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
    area text
);
create index duty_by_stream on duty (service, stream);
create index duty_open on duty (due) where met_on is null and closed_on is null;

grant usage on schema public to ooc_app;
grant select, insert, update, delete on fact, stream, duty to ooc_app;

-- migrate:down
drop table duty, stream, fact;
