-- migrate:up

-- The hash of the whole log after each event: a chain over what is known only under the head row's lock (position and
-- recorded_at), the event's own hash and, at a command's last event, its answer. See docs/adr/0018.
-- An entry is 48 bytes: position and microseconds since 1970, big-endian in eight bytes each, and the event's hash.
create function next_log_hash(
    p_previous bytea, p_position bigint, p_recorded_at timestamptz, p_hash bytea, p_command_id uuid, p_digest bytea
) returns bytea language sql stable as $$
    select sha256(
        p_previous || int8send(p_position) || int8send((extract(epoch from p_recorded_at) * 1000000)::bigint) || p_hash
        || coalesce(uuid_send(p_command_id) || p_digest, ''::bytea)
    )
$$;

alter table event add column log_hash bytea check (octet_length(log_hash) = 32);
alter table head add column log_hash bytea not null default decode(repeat('00', 32), 'hex') check (octet_length(log_hash) = 32);
alter table head alter column log_hash drop default;

-- A store made before this migration is chained as it stands now.
alter table event disable trigger event_is_append_only;
do $$
declare
    v_log_hash bytea;
    v_event record;
begin
    select head.log_hash into strict v_log_hash from head for update;
    for v_event in
        select event.position, event.recorded_at, event.hash, answer.command_id, answer.digest
        from event left join answer
            on answer.stream = event.stream and answer.first_version + answer.events - 1 = event.version
        order by event.position
    loop
        v_log_hash := next_log_hash(
            v_log_hash, v_event.position, v_event.recorded_at, v_event.hash, v_event.command_id, v_event.digest
        );
        update event set log_hash = v_log_hash where event.position = v_event.position;
    end loop;
    update head set log_hash = v_log_hash;
end $$;
alter table event enable trigger event_is_append_only;
alter table event alter column log_hash set not null;

-- `relayed` is the high-water mark of what has been published: with its hash, `append` sees whether the store holds it.
-- It may be lost in a crash and then stands lower, never higher, than what the store holds.
alter table relayed add column hash bytea;

-- Refuses to go on where the store does not hold what its topic does: by the high-water mark, or by the relay's alarm.
-- Raises OOC01.
create function require_high_water_mark(p_position bigint) returns void language plpgsql as $$
declare
    v_why text;
begin
    select found.why into v_why from (
        select format('its topic has come to position %s, which the event store, at %s, does not hold', relayed.position, p_position) as why
        from relayed
        where relayed.position > p_position or relayed.hash is not null and not exists (
            select 1 from event where event.position = relayed.position and event.hash = relayed.hash
        )
        union all
        select alarm.detail from alarm where alarm.name = 'topic_ahead_of_event_store'
    ) as found limit 1;
    if found then
        raise exception '%', v_why using errcode = 'OOC01';
    end if;
end $$;

-- Appends the commands of one group, answering each separately, in the order given:
-- appended, repeated (the command was answered before), conflict (the stream has moved on, or its last hash is another),
-- or claimed (with the key that another stream holds). Positions are dense; recorded_at only grows.
-- Bytes that are no event of this database's service (see check_event) refuse the group whole, and change nothing.
-- A command, and a stream, stand in a group once: what the group records is looked up before and written after its loop.
create or replace function append(
    p_commands uuid [], p_digests bytea [], p_streams text [], p_versions integer [], p_previous bytea [],
    p_takes jsonb [], p_releases jsonb [], p_counts integer [],
    p_event_ids uuid [], p_types text [], p_homes uuid [], p_bodies bytea [], p_hashes bytea []
) returns table (n integer, outcome text, detail text, last_position bigint, last_recorded_at timestamptz)
language plpgsql security definer
set search_path = public, pg_temp
-- Plans are made once, not for each call, on tables that may be empty still: they must not count on that.
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set enable_bitmapscan = off as $$
declare
    v_service text := (select event_store.service from event_store);
    v_position bigint;
    v_recorded timestamptz;
    v_start bigint;
    v_version integer;
    v_hash bytea;
    v_log_hash bytea;
    v_home uuid;
    v_key text;
    v_at integer := 0;
    -- For each event given, what is known of it only here; nothing where it is not recorded.
    v_positions bigint [] := '{}';
    v_moments timestamptz [] := '{}';
    v_log_hashes bytea [] := '{}';
    v_streams text [] := '{}';
    v_numbers integer [] := '{}';
    v_answered integer [] := '{}';
    i integer;
    k integer;
    v_known record;
begin
    select head.position, head.recorded_at, head.log_hash into strict v_position, v_recorded, v_log_hash from head for update;
    perform require_high_water_mark(v_position);
    v_start := v_position;
    for v_known in
        select asked.ordinality as i, answer.command_id is not null as repeated, last.version, last.hash, last.home
        from unnest(p_commands, p_streams) with ordinality as asked (command_id, stream, ordinality)
        left join answer on answer.command_id = asked.command_id
        left join lateral (
            select event.version, event.hash, event.home from event
            where event.stream = asked.stream order by event.version desc limit 1
        ) as last on true
        order by asked.ordinality
    loop
        i := v_known.i;
        n := i; detail := null; last_position := null; last_recorded_at := null;
        v_version := coalesce(v_known.version, 0);
        v_hash := coalesce(v_known.hash, '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea);
        outcome := 'appended';
        if v_known.repeated then
            outcome := 'repeated';
        elsif v_version <> p_versions[i] or v_hash <> p_previous[i] then
            outcome := 'conflict'; detail := v_version::text;
        elsif p_takes[i] <> '[]' then
            select t.key into v_key from jsonb_array_elements_text(p_takes[i]) as t (key)
            join claim on claim.key = t.key and claim.stream <> p_streams[i] limit 1;
            if found then
                outcome := 'claimed'; detail := v_key;
            end if;
        end if;
        if outcome <> 'appended' then
            v_at := v_at + p_counts[i];
            v_positions := v_positions || array_fill(null::bigint, array[p_counts[i]]);
            v_moments := v_moments || array_fill(null::timestamptz, array[p_counts[i]]);
            v_log_hashes := v_log_hashes || array_fill(null::bytea, array[p_counts[i]]);
            v_streams := v_streams || array_fill(null::text, array[p_counts[i]]);
            v_numbers := v_numbers || array_fill(null::integer, array[p_counts[i]]);
            return next; continue;
        end if;
        if p_takes[i] <> '[]' then
            insert into claim (key, stream)
            select t.key, p_streams[i] from jsonb_array_elements_text(p_takes[i]) as t (key) on conflict do nothing;
        end if;
        if p_releases[i] <> '[]' then
            delete from claim where claim.stream = p_streams[i] and p_releases[i] ? claim.key;
        end if;
        v_home := coalesce(v_known.home, p_homes[v_at + 1]);
        for k in 1 .. p_counts[i] loop
            v_at := v_at + 1;
            v_hash := sha256(v_hash || p_bodies[v_at]);
            if v_hash <> p_hashes[v_at] then
                raise exception 'the hash of % version % does not follow from the one before', p_streams[i], v_version + k
                using errcode = 'data_exception';
            end if;
            perform check_event(
                v_service, p_commands[i], p_streams[i], v_version + k, v_home,
                p_event_ids[v_at], p_types[v_at], p_homes[v_at], p_bodies[v_at]
            );
            v_position := v_position + 1;
            v_recorded := greatest(clock_timestamp(), v_recorded + interval '1 microsecond');
            v_positions := v_positions || v_position;
            v_moments := v_moments || v_recorded;
            v_log_hash := next_log_hash(
                v_log_hash, v_position, v_recorded, v_hash, case when k = p_counts[i] then p_commands[i] end, p_digests[i]
            );
            v_log_hashes := v_log_hashes || v_log_hash;
            v_streams := v_streams || p_streams[i];
            v_numbers := v_numbers || (v_version + k);
        end loop;
        v_answered := v_answered || i;
        last_position := v_position; last_recorded_at := v_recorded;
        return next;
    end loop;
    if v_position > v_start then
        insert into event (position, recorded_at, stream, version, event_id, type, home, hash, body, log_hash)
        select new.position, new.recorded_at, new.stream, new.version, new.event_id, new.type, new.home, new.hash, new.body,
            new.log_hash
        from unnest(v_positions, v_moments, v_streams, v_numbers, p_event_ids, p_types, p_homes, p_hashes, p_bodies, v_log_hashes)
            as new (position, recorded_at, stream, version, event_id, type, home, hash, body, log_hash)
        where new.position is not null;
        insert into answer (command_id, digest, stream, first_version, events)
        select p_commands[a.i], p_digests[a.i], p_streams[a.i], p_versions[a.i] + 1, p_counts[a.i]
        from unnest(v_answered) as a (i);
        update head set position = v_position, recorded_at = v_recorded, log_hash = v_log_hash;
    end if;
end $$;

revoke execute on function next_log_hash, require_high_water_mark from public;

-- migrate:down
-- There is no way back: what is chained stays chained.
do $$ begin
    raise exception 'the log hash cannot be taken away from a store: restore a backup made before it';
end $$;
