-- migrate:up

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

-- The streams that moved after some positions are found by index.
create index stream_position on stream (service, position);

-- migrate:down
drop index stream_position;
drop table frozen_return;
