-- migrate:up

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

-- Returns once a receipt that was read may be given out.
create function confirm() returns void language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform require_compared_timeline();
end $$;

-- Refuses to go on where the store does not hold what its topic does (OOC01), or a log of it what its witness has seen
-- (OOC03). And where the relay has not compared this timeline yet (OOC02).
create or replace function require_high_water_mark(p_position bigint) returns void language plpgsql as $$
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

-- migrate:down
create or replace function require_high_water_mark(p_position bigint) returns void language plpgsql as $$
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
end $$;
drop function confirm, require_compared_timeline;
drop table compared_timeline;
drop function timeline;
