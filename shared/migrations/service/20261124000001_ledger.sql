-- migrate:up

-- The ledger: one append-only table is both the record and the outbox.
create table event (
    position bigint primary key,
    recorded_at timestamptz not null,
    stream text not null,
    version integer not null check (version > 0),
    event_id uuid not null unique,
    type text not null,
    home uuid not null,
    hash bytea not null check (octet_length(hash) = 32),
    body bytea not null,
    unique (stream, version)
);

-- A single row, locked by each append: order of position is order of commit, and a missing number is proof of loss.
create table head (
    only_row boolean primary key default true check (only_row),
    position bigint not null,
    recorded_at timestamptz not null
);
insert into head (position, recorded_at) values (0, 'epoch');

-- What a command was answered: a range of its stream's events. A refusal is not kept.
create table answer (
    command_id uuid primary key,
    digest bytea not null,
    stream text not null,
    first_version integer not null,
    events integer not null check (events > 0)
);

-- Unique keys that events take and release; they follow from the events and can be rebuilt.
create table claim (
    key text primary key,
    stream text not null
);

create trigger event_is_append_only before update or delete or truncate on event
for each statement execute function refuse_change();
create trigger answer_is_append_only before update or delete or truncate on answer
for each statement execute function refuse_change();

-- Appends the commands of one group, answering each separately, in the order given:
-- appended, repeated (the command was answered before), conflict (the stream has moved on, or its last hash is another),
-- or claimed (with the key that another stream holds). Positions are dense; recorded_at only grows.
create function append(
    p_commands uuid [], p_digests bytea [], p_streams text [], p_versions integer [], p_previous bytea [],
    p_takes jsonb [], p_releases jsonb [], p_counts integer [],
    p_event_ids uuid [], p_types text [], p_homes uuid [], p_bodies bytea [], p_hashes bytea []
) returns table (n integer, outcome text, detail text, last_position bigint, last_recorded_at timestamptz)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v_position bigint;
    v_recorded timestamptz;
    v_start bigint;
    v_version integer;
    v_hash bytea;
    v_key text;
    v_at integer := 0;
    i integer;
    k integer;
begin
    select head.position, head.recorded_at into strict v_position, v_recorded from head for update;
    v_start := v_position;
    for i in 1 .. cardinality(p_commands) loop
        n := i; detail := null; last_position := null; last_recorded_at := null;
        perform 1 from answer where answer.command_id = p_commands[i];
        if found then
            outcome := 'repeated';
            v_at := v_at + p_counts[i];
            return next; continue;
        end if;
        v_version := 0; v_hash := decode(repeat('00', 32), 'hex');
        select event.version, event.hash into v_version, v_hash from event
        where event.stream = p_streams[i] order by event.version desc limit 1;
        if not found then v_version := 0; v_hash := decode(repeat('00', 32), 'hex'); end if;
        if v_version <> p_versions[i] or v_hash <> p_previous[i] then
            outcome := 'conflict'; detail := v_version::text;
            v_at := v_at + p_counts[i];
            return next; continue;
        end if;
        select t.key into v_key from jsonb_array_elements_text(p_takes[i]) as t (key)
        join claim on claim.key = t.key and claim.stream <> p_streams[i] limit 1;
        if found then
            outcome := 'claimed'; detail := v_key;
            v_at := v_at + p_counts[i];
            return next; continue;
        end if;
        insert into claim (key, stream)
        select t.key, p_streams[i] from jsonb_array_elements_text(p_takes[i]) as t (key) on conflict do nothing;
        delete from claim where claim.stream = p_streams[i] and p_releases[i] ? claim.key;
        for k in 1 .. p_counts[i] loop
            v_at := v_at + 1;
            v_hash := sha256(v_hash || p_bodies[v_at]);
            if v_hash <> p_hashes[v_at] then
                raise exception 'the hash of % version % does not follow from the one before', p_streams[i], v_version + k
                using errcode = 'data_exception';
            end if;
            v_position := v_position + 1;
            v_recorded := greatest(clock_timestamp(), v_recorded + interval '1 microsecond');
            insert into event (position, recorded_at, stream, version, event_id, type, home, hash, body)
            values (v_position, v_recorded, p_streams[i], v_version + k, p_event_ids[v_at], p_types[v_at],
                    p_homes[v_at], v_hash, p_bodies[v_at]);
        end loop;
        insert into answer (command_id, digest, stream, first_version, events)
        values (p_commands[i], p_digests[i], p_streams[i], v_version + 1, p_counts[i]);
        outcome := 'appended'; last_position := v_position; last_recorded_at := v_recorded;
        return next;
    end loop;
    if v_position > v_start then
        update head set position = v_position, recorded_at = v_recorded;
    end if;
end $$;

-- migrate:down
drop function append;
drop table claim, answer, head, event;
