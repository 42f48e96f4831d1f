-- migrate:up

-- The events from which messages follow, as published: what is sealed in them stays sealed, and there is no key here.
create table followed_event (
    stream text not null,
    version integer not null check (version > 0),
    event_id uuid not null,
    recorded_at timestamptz not null,
    body bytea not null,
    primary key (stream, version)
);

-- Which cases a stream is about: an education session is about each case that has a place in it.
create table stream_case (
    case_id uuid not null,
    stream text not null,
    primary key (case_id, stream)
);
create index stream_case_by_stream on stream_case (stream);

-- Of whom nothing is sent: their data are restricted in a service, or they are forgotten.
create table data_right (
    person_id uuid not null,
    service text not null,
    kind text not null check (kind in ('RESTRICTED', 'FORGOTTEN')),
    primary key (person_id, service, kind)
);

-- The outbox: one row for each event and recipient (transactional outbox). It holds no name, no address and no text.
create table message (
    id uuid primary key,
    event_id uuid not null,
    template text not null check (template ~ '^[A-Z_]{1,60}$'),
    recipient uuid not null,
    concerns uuid not null,
    case_id uuid not null,
    referral_id uuid not null,
    record text not null,
    item uuid,
    not_before timestamptz not null,
    not_after timestamptz not null,
    follows text [] not null,
    state text not null default 'PLANNED'
    check (state in ('PLANNED', 'SENDING', 'ACCEPTED', 'SENT', 'FAILED', 'WITHDRAWN')),
    -- What was sent together has one id, that of its first row: the provider's reference and the record's.
    sent_as uuid,
    channel text check (channel in ('EMAIL', 'SMS', 'LETTER')),
    provider text check (provider in ('NOTIFY', 'SMTP', 'RECORD')),
    provider_reference text,
    language text check (language in ('ENGLISH', 'WELSH')),
    template_version integer,
    tries integer not null default 0,
    repeats integer not null default 0,
    next_try timestamptz,
    -- Until when a worker has it to itself, and whether the provider may have it already.
    leased_until timestamptz,
    handed_over boolean not null default false,
    why text check (why ~ '^[A-Z_]{1,60}$'),
    recorded boolean not null default false,
    delivered text check (delivered ~ '^[A-Z_]{1,60}$'),
    planned_at timestamptz not null default now(),
    sent_at timestamptz,
    check (state <> 'SENDING' or leased_until is not null),
    check (state in ('PLANNED', 'WITHDRAWN') or sent_as is not null)
);
create index message_due on message (coalesce(next_try, not_before)) where state in ('PLANNED', 'SENDING', 'ACCEPTED');
create index message_by_case on message (case_id);
create index message_by_recipient on message (recipient);
create index message_sent_as on message (sent_as);
create index message_unrecorded on message (id) where state = 'FAILED' and not recorded;

-- migrate:down

drop table message;
drop table data_right;
drop table stream_case;
drop table followed_event;
