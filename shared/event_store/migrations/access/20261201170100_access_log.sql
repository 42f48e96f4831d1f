-- migrate:up

-- Every access: the caller, the target, the time and the outcome. Append-only, dense, chained, without personal data in clear.
create table access_log (
    sequence bigint primary key,
    at timestamptz not null,
    actor uuid not null,
    role text not null,
    organisation text not null,
    action text not null,
    -- Lines about a record, and what is below it, are a range of targets by code point, whatever the database sorts by:
    -- '/' is followed by '0'.
    target text collate "C" not null,
    reason text,
    outcome text not null,
    rules text [] not null,
    hash bytea not null check (octet_length(hash) = 32),
    -- The database role that wrote the line, which no argument can claim. It is no part of the hash.
    written_by text default session_user,
    -- Verification and each export read every line: one of a gigabyte would end them for good.
    constraint line_is_short check (
        octet_length(role) + octet_length(organisation) + octet_length(action) + octet_length(target)
        + coalesce(octet_length(reason), 0) + octet_length(outcome) + octet_length(rules::text) <= 20000
    )
);
create index access_log_by_target on access_log (target);

-- The last line. A single row, locked by each access, so that lines are dense and in order of time.
create table access_head (
    only_row boolean primary key default true check (only_row),
    sequence bigint not null,
    at timestamptz not null,
    hash bytea not null
);
insert into access_head (sequence, at, hash) values (0, 'epoch', decode(repeat('00', 32), 'hex'));

create trigger access_log_is_append_only before update or delete or truncate on access_log
for each statement execute function refuse_change();

create function log_access(
    p_actor uuid, p_role text, p_organisation text, p_action text, p_target text, p_reason text, p_outcome text, p_rules text []
) returns bigint language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v access_head;
    v_at timestamptz;
    v_line text;
begin
    select * into strict v from access_head for update;
    v.sequence := v.sequence + 1;
    v_at := greatest(clock_timestamp(), v.at + interval '1 microsecond');
    v_line := jsonb_build_array(
        v.sequence, to_char(v_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        p_actor, p_role, p_organisation, p_action, p_target, p_reason, p_outcome, p_rules
    )::text;
    v.hash := sha256(v.hash || convert_to(v_line, 'UTF8'));
    insert into access_log (sequence, at, actor, role, organisation, action, target, reason, outcome, rules, hash)
    values (v.sequence, v_at, p_actor, p_role, p_organisation, p_action, p_target, p_reason, p_outcome, p_rules, v.hash);
    update access_head set sequence = v.sequence, at = v_at, hash = v.hash;
    return v.sequence;
end $$;

-- A line that is written to an access log which lacks what its witness has seen would take the number of a line that is gone.
create function refuse_log_behind_witness() returns trigger language plpgsql as $$
declare
    v_why text;
begin
    select alarm.detail into v_why from alarm where alarm.name = 'log_behind_witness' and alarm.place like '%/access' limit 1;
    if found then
        raise exception '%', v_why using errcode = 'OOC03';
    end if;
    return null;
end $$;
create trigger access_log_extends_what_was_seen after insert on access_log
for each statement execute function refuse_log_behind_witness();

-- Writes nothing but a record of the write-ahead log, so that an API learns whether a commit would return now.
create function probe_write() returns void language sql security definer set search_path = public, pg_temp as $$
    select pg_logical_emit_message(true, 'ooc', '')
$$;

-- migrate:down
