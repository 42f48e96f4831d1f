-- migrate:up

-- The event store: one append-only table is both the record and the outbox.
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
    -- The hash of the whole log up to this event: see next_log_hash.
    log_hash bytea not null check (octet_length(log_hash) = 32),
    unique (stream, version),
    -- A record that no broker takes would stop the relay for ever: a batch holds 1,000,000 bytes (shared/messaging/relay.py),
    -- headers and key included.
    constraint event_fits_a_record check (octet_length(body) <= 900000)
);
-- What a home has: whoever begins a record there, or adds a long text, is refused where that is too much.
create index stream_by_home on event (home) where version = 1;

-- A single row, locked by each append: order of position is order of commit, and a missing number is proof of loss.
create table head (
    only_row boolean primary key default true check (only_row),
    position bigint not null,
    recorded_at timestamptz not null,
    log_hash bytea not null check (octet_length(log_hash) = 32)
);
insert into head (position, recorded_at, log_hash) values (0, 'epoch', decode(repeat('00', 32), 'hex'));

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
    -- The claims of a home are read as a range of keys, which is one by code point alone, whatever the database sorts by.
    key text collate "C" primary key,
    stream text not null
);
-- What a stream holds: an append that releases keys, and the verification of a page of streams, read no other claims.
create index claim_by_stream on claim (stream);

create trigger event_is_append_only before update or delete or truncate on event
for each statement execute function refuse_change();
create trigger answer_is_append_only before update or delete or truncate on answer
for each statement execute function refuse_change();

-- Whose event store this is: written once, when the database is provisioned.
create table event_store (
    only_row boolean primary key default true check (only_row),
    service text not null check (service ~ '^[a-z][a-z0-9_]*$')
);
create trigger event_store_is_append_only before update or delete or truncate on event_store
for each statement execute function refuse_change();

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
    sequence bigint generated always as identity,
    -- A person has asked the worker to try the reaction again, whether its target has moved or not.
    retry boolean not null default false,
    -- Whose event it follows, or of which home, if a reaction recorded that too: lists have some of each.
    sender uuid
);
create index parked_by_target on parked (target_stream);
create index parked_by_sender on parked (sender, sequence, command_id);

-- The commands of reactions that had nothing to do. They recorded no event; who follows a receipt is told so.
create table nothing_to_do (
    command_id uuid primary key,
    stream text not null,
    at timestamptz not null default clock_timestamp()
);

-- What other services' events say of a home that access depends on, such as who leads its work there. Marks are codes
-- and ids of officers; they are only ever added, and follow from the topics.
create table linked_mark (
    home uuid not null,
    mark text not null,
    -- Whether the mark stands without its labels for the release before alone, which knows none.
    for_older boolean not null default false,
    primary key (home, mark)
);

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

-- The high-water mark of what the relay has published, for people, readiness probes and `append`, which sees by the hash
-- whether the store holds it. The truth is the position record in Kafka: this row may be lost in a crash and then stands
-- lower, never higher, than what the store holds.
create table relayed (
    only_row boolean primary key default true check (only_row),
    position bigint not null,
    offsets jsonb not null,
    relayed_at timestamptz not null default clock_timestamp(),
    hash bytea
);

-- The history that this server writes: PostgreSQL's system identifier, and its timeline, of which a promotion begins another.
-- A standby in recovery writes none. (That of the last checkpoint, in the control file, lags behind a promotion.)
create function timeline() returns text language plpgsql as $$
begin
    if pg_is_in_recovery() then
        return 'of a standby';
    end if;
    return (select system_identifier from pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8);
end $$;

-- The timeline on which the relay has compared the event store with its topic. A standby that is promoted has that of its
-- primary, however far it lagged. A new store begins on its own.
create table compared_timeline (
    only_row boolean primary key default true check (only_row),
    timeline text not null,
    compared_at timestamptz not null default clock_timestamp()
);
insert into compared_timeline (timeline) values (timeline());

-- Refuses to go on where the relay has not compared this timeline. Raises OOC02.
create function require_compared_timeline() returns void language plpgsql as $$
declare
    v_compared text := (select compared_timeline.timeline from compared_timeline);
    v_timeline text := timeline();
begin
    if v_compared is distinct from v_timeline then
        raise exception 'the event store is on the timeline %, and its relay has compared % with the topic', v_timeline, v_compared
        using errcode = 'OOC02';
    end if;
end $$;

-- Returns once what was read may be given out or published: the relay has compared this timeline, and each synchronous
-- standby has the write-ahead log up to here, since a commit whose wait was cancelled can be read too. That takes a commit
-- of its own, of whatever the log keeps; without synchronous standbys it takes none.
create function confirm() returns void language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform require_compared_timeline();
    if current_setting('synchronous_standby_names') <> '' then
        if current_setting('synchronous_commit') in ('off', 'local') then
            perform set_config('synchronous_commit', 'on', true);
        end if;
        perform pg_logical_emit_message(true, 'ooc', '');
    end if;
end $$;

-- Refuses what is no event of a service, with check_violation. The columns are compared with the beginning of the bytes,
-- whose order of fields is part of their format (shared/domain/envelope.py); the rest must be JSON with the envelope's
-- fields, each once, and no other. Whether the data are those of the type, only the service can say.
create function check_event(
    p_service text, p_command uuid, p_stream text, p_version integer, p_stream_home uuid,
    p_event_id uuid, p_type text, p_home uuid, p_body bytea
) returns void language plpgsql immutable as $$
declare
    v_body text := convert_from(p_body, 'UTF8');
    v_stream_id text := substr(p_stream, length(p_service) + 2);
    v_fields text [] := array[
        'event_id', 'type', 'stream', 'version', 'home', 'command_id', 'occurred_at', 'actor', 'correlation_id', 'causation_id',
        'traceparent', 'policy', 'rules', 'rationale', 'labels', 'origin', 'data'
    ];
    v_event jsonb;
    v_wrong text;
begin
    if p_service is null then
        raise exception 'this database does not know whose event store it is: run `ooc migrate`'
        using errcode = 'object_not_in_prerequisite_state';
    end if;
    v_wrong := case
        when (starts_with(p_stream, p_service || '/') and v_stream_id::uuid::text = v_stream_id) is not true
            then 'the stream is not one of ' || p_service
        when (split_part(p_type, '.', 2) = p_service) is not true
            then 'the type is not one of ' || p_service
        when (p_home = p_stream_home) is not true
            then 'the home is not that of the stream'
        when starts_with(v_body, format(
            '{"event_id":"%s","type":"%s","stream":"%s","version":%s,"home":"%s","command_id":"%s",',
            p_event_id, p_type, p_stream, p_version, p_home, p_command
        )) is not true
            then 'the bytes do not begin with its event_id, type, stream, version, home and command_id'
        when (v_body is json object with unique keys) is not true
            then 'the bytes are not a JSON object'
    end;
    if v_wrong is null then
        v_event := v_body::jsonb;
        if (
            v_event ?& v_fields and v_event - v_fields = '{}'
            and v_event ->> 'type' = p_type and jsonb_typeof(v_event -> 'data') = 'object'
        ) is not true then
            v_wrong := 'the bytes have not the fields of an event';
        end if;
    end if;
    if v_wrong is not null then
        raise exception '% version % is no event of this store: %', p_stream, p_version, v_wrong using errcode = 'check_violation';
    end if;
end $$;

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

-- Refuses to go on where the store does not hold what its topic does (OOC01), or a log of it what its witness has seen
-- (OOC03). And where the relay has not compared this timeline yet (OOC02).
create function require_high_water_mark(p_position bigint) returns void language plpgsql as $$
declare
    v_why text;
    v_code text;
begin
    select found.why, found.code into v_why, v_code from (
        select format('its topic has come to position %s, which the event store, at %s, does not hold', relayed.position, p_position) as why,
            'OOC01' as code
        from relayed
        where relayed.position > p_position or relayed.hash is not null and not exists (
            select 1 from event where event.position = relayed.position and event.hash = relayed.hash
        )
        union all
        select alarm.detail, case alarm.name when 'log_behind_witness' then 'OOC03' else 'OOC01' end from alarm
        where alarm.name in ('topic_ahead_of_event_store', 'log_behind_witness')
    ) as found limit 1;
    if found then
        raise exception '%', v_why using errcode = v_code;
    end if;
    perform require_compared_timeline();
end $$;

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

-- migrate:down
