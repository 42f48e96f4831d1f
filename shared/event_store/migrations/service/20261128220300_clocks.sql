-- migrate:up

-- Appends the commands of one group, answering each separately, in the order given:
-- appended, repeated (the command was answered before), conflict (the stream has moved on, or its last hash is another),
-- or claimed (with the key that another stream holds). Positions are dense; recorded_at only grows.
-- Bytes that are no event of this database's service (see check_event) refuse the group whole, and change nothing.
-- Where the event's time would be a minute and more from the caller's clock (p_now), each is answered apart: recorded_at only
-- grows, so one time from a fast clock would be in every later one. That is an alarm, which the next append ends.
-- A command, and a stream, stand in a group once: what the group records is looked up before and written after its loop.
create function append(
    p_commands uuid [], p_digests bytea [], p_streams text [], p_versions integer [], p_previous bytea [],
    p_takes jsonb [], p_releases jsonb [], p_counts integer [],
    p_event_ids uuid [], p_types text [], p_homes uuid [], p_bodies bytea [], p_hashes bytea [],
    p_now timestamptz default null
) returns table (n integer, outcome text, detail text, last_position bigint, last_recorded_at timestamptz)
language plpgsql security definer
set search_path = public, pg_temp
-- Whoever holds the head row stops no command for ever; the waiting ones are answered 503.
set lock_timeout = '10s'
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
    v_apart interval;
begin
    if exists (select from unnest(p_counts) as c where c is null or c < 1)
        or (select sum(c) from unnest(p_counts) as c) <> cardinality(p_event_ids) then
        raise exception 'each command has one event or more, and each event a command' using errcode = 'check_violation';
    end if;
    select head.position, head.recorded_at, head.log_hash into strict v_position, v_recorded, v_log_hash from head for update;
    perform require_high_water_mark(v_position);
    v_apart := greatest(clock_timestamp(), v_recorded + interval '1 microsecond') - p_now;
    if v_apart not between interval '-1 minute' and interval '1 minute' then
        insert into alarm (consumer, name, place, detail) values (
            session_user, 'clocks_apart', v_service, format('the next event would be recorded %s from the clock of its service', v_apart)
        ) on conflict on constraint alarm_pkey do update set detail = excluded.detail;
        return query select asked.ordinality::integer, 'apart', v_apart::text, null::bigint, null::timestamptz
        from unnest(p_commands) with ordinality as asked (command, ordinality);
        return;
    end if;
    delete from alarm where alarm.consumer = session_user and alarm.name = 'clocks_apart';
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

-- Whoever could call the one before can call this one, also while `ooc migrate` has not come to the privileges.
do $$
declare
    v_role text;
begin
    for v_role in
        select acl.grantee::regrole::text from pg_proc, aclexplode(pg_proc.proacl) as acl
        where pg_proc.oid = 'append(uuid[], bytea[], text[], integer[], bytea[], jsonb[], jsonb[], integer[], uuid[], text[], uuid[], bytea[], bytea[])'::regprocedure and acl.grantee <> 0
    loop
        execute format('grant execute on function append(uuid[], bytea[], text[], integer[], bytea[], jsonb[], jsonb[], integer[], uuid[], text[], uuid[], bytea[], bytea[], timestamptz) to %s', v_role);
    end loop;
end $$;
drop function append(uuid [], bytea [], text [], integer [], bytea [], jsonb [], jsonb [], integer [], uuid [], text [], uuid [], bytea [], bytea []);

-- migrate:down
-- Appends the commands of one group, answering each separately, in the order given:
-- appended, repeated (the command was answered before), conflict (the stream has moved on, or its last hash is another),
-- or claimed (with the key that another stream holds). Positions are dense; recorded_at only grows.
-- Bytes that are no event of this database's service (see check_event) refuse the group whole, and change nothing.
-- A command, and a stream, stand in a group once: what the group records is looked up before and written after its loop.
create function append(
    p_commands uuid [], p_digests bytea [], p_streams text [], p_versions integer [], p_previous bytea [],
    p_takes jsonb [], p_releases jsonb [], p_counts integer [],
    p_event_ids uuid [], p_types text [], p_homes uuid [], p_bodies bytea [], p_hashes bytea []
) returns table (n integer, outcome text, detail text, last_position bigint, last_recorded_at timestamptz)
language plpgsql security definer
set search_path = public, pg_temp set lock_timeout = '10s'
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

-- Whoever could call the one before can call this one, also while `ooc migrate` has not come to the privileges.
do $$
declare
    v_role text;
begin
    for v_role in
        select acl.grantee::regrole::text from pg_proc, aclexplode(pg_proc.proacl) as acl
        where pg_proc.oid = 'append(uuid[], bytea[], text[], integer[], bytea[], jsonb[], jsonb[], integer[], uuid[], text[], uuid[], bytea[], bytea[], timestamptz)'::regprocedure and acl.grantee <> 0
    loop
        execute format('grant execute on function append(uuid[], bytea[], text[], integer[], bytea[], jsonb[], jsonb[], integer[], uuid[], text[], uuid[], bytea[], bytea[]) to %s', v_role);
    end loop;
end $$;
drop function append(uuid [], bytea [], text [], integer [], bytea [], jsonb [], jsonb [], integer [], uuid [], text [], uuid [], bytea [], bytea [], timestamptz);
