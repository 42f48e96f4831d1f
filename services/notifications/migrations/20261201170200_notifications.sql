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
    -- Whether the recipient is an account of the identity provider, a school's or an officer's, and no person of a case: only
    -- the outbox says what became of it.
    to_account boolean not null default false,
    -- The link to the page of an appointment that went with it: one whose appointment stands no more is ended at once,
    -- whenever the message that says so goes.
    link text check (link in ('OPEN', 'OFF', 'ENDED')),
    check (state <> 'SENDING' or leased_until is not null),
    check (state in ('PLANNED', 'WITHDRAWN') or sent_as is not null)
);
create index message_due on message (coalesce(next_try, not_before)) where state in ('PLANNED', 'SENDING', 'ACCEPTED');
create index message_by_case on message (case_id);
create index message_by_recipient on message (recipient);
-- The cases in which a person who is forgotten was written to, or about: each service says so, of each of them.
create index message_by_concerned on message (concerns);
create index message_sent_as on message (sent_as);
create index message_unrecorded on message (id) where state = 'FAILED' and not recorded;
create index message_link_off on message (id) where link = 'OFF';

-- The events of what other agencies began, as published: what is sealed in them stays sealed, and there is no key here.
-- Those of people's data rights stand here without an organisation, and again for each that has an event about the person.
create table agency_event (
    organisation text not null,
    position bigint not null check (position > 0),
    home uuid not null,
    stream text not null,
    version integer not null check (version > 0),
    event_id uuid not null,
    recorded_at timestamptz not null,
    hash bytea not null,
    body bytea not null,
    primary key (organisation, position)
);
create index agency_event_by_home on agency_event (organisation, home, position);
create index agency_event_first on agency_event (stream) where version = 1;

-- Where an agency takes events. Its secret is derived from a key that is in no database.
create table webhook (
    id uuid primary key,
    organisation text not null check (organisation <> ''),
    url text not null check (length(url) <= 2000),
    first_position bigint not null check (first_position > 0),
    gone boolean not null default false,
    added_at timestamptz not null default now()
);

-- How far a webhook has come with a case. One row has the next event of the case alone, so that they go out in order.
create table webhook_case (
    webhook uuid not null references webhook on delete cascade,
    home uuid not null,
    -- The position of the next event; null: there is none.
    head bigint,
    -- When it is sent; a worker that sends it moves this on, and has it to itself until then.
    due timestamptz not null default now(),
    tries integer not null default 0,
    failing_since timestamptz,
    why text check (why ~ '^[A-Z0-9_]{1,60}$'),
    dead boolean not null default false,
    primary key (webhook, home)
);
create index webhook_case_due on webhook_case (webhook, due) where head is not null and not dead;

-- migrate:down
