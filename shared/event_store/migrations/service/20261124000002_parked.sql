-- migrate:up

-- Reactions that were refused, to be tried again when their target stream moves.
create table parked (
    command_id uuid primary key,
    consumer text not null,
    reaction text not null,
    source_stream text not null,
    source_version integer not null,
    target_stream text not null,
    body bytea not null,
    rules text [] not null,
    reason text not null,
    attempts integer not null default 1,
    tried_version integer not null,
    parked_at timestamptz not null default clock_timestamp(),
    sequence bigint generated always as identity
);
create index parked_by_target on parked (target_stream);

grant select, insert, update, delete on parked to ooc_app;

-- migrate:down
drop table parked;
