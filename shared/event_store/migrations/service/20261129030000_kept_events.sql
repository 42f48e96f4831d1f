-- migrate:up

-- Events of other services that this one's rules look at, as they were recorded, by the home that they are about. They come
-- from the topics, sealed as they are there: who is forgotten is forgotten here.
create table kept_event (
    home uuid not null,
    service text not null,
    position bigint not null,
    recorded_at timestamptz not null,
    stream text not null,
    version integer not null,
    event_id uuid not null,
    type text not null,
    hash bytea not null,
    body bytea not null,
    primary key (home, service, position)
);

-- migrate:down
drop table kept_event;
