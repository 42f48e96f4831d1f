-- migrate:up

-- Every event of the streams from which messages follow, as published: what is sealed stays sealed, and there is no key here.
-- followed_event, which had some of them, stays for the release before.
create table stream_event (
    stream text not null,
    version integer not null check (version > 0),
    event_id uuid not null,
    recorded_at timestamptz not null,
    body bytea not null,
    primary key (stream, version)
);

-- migrate:down

drop table stream_event;
