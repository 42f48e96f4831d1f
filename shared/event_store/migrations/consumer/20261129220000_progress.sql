-- migrate:up

-- When each part of a worker (relay, signer, a consumer, the watch over topics) last finished a cycle, whatever it found to do.
create table progress (
    part text primary key check (octet_length(part) <= 200),
    finished_at timestamptz not null
);

-- The fewest replicas that a partition of a topic has, and those of them that are in sync.
create table replication (
    topic text primary key check (octet_length(topic) <= 250),
    replicas integer not null,
    in_sync integer not null
);

-- How many synchronous standbys there are; null where none is demanded, or where the owner may not see them (pg_monitor).
create function synchronous_standbys() returns bigint
language sql stable security definer set search_path = public, pg_temp as $$
    select count(*) filter (where sync_state in ('sync', 'quorum')) from pg_stat_replication
    having current_setting('synchronous_standby_names') <> '' and pg_has_role(current_user, 'pg_read_all_stats', 'usage')
$$;

-- migrate:down
drop function synchronous_standbys;
drop table replication, progress;
