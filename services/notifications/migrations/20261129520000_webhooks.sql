-- migrate:up

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

drop table webhook_case;
drop table webhook;
drop table agency_event;
