-- migrate:up

-- What waits: parked reactions and streams in quarantine, as the events of waits tell of them (shared/domain/waiting.py).
-- A service's own rows are what its worker has recorded; the others came with the events of the services that follow it.
create table waiting (
    id uuid primary key,
    -- Where it waits.
    service text not null,
    kind text not null check (kind in ('REACTION', 'STREAM')),
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
    closed boolean not null default false
);
create index waiting_by_source on waiting (source);
create index waiting_by_target on waiting using gin (targets);
create index waiting_by_home on waiting (home);
create index waiting_open on waiting (service) where ended_at is null;

-- migrate:down
drop table waiting;
