-- migrate:up

-- The trigger function of every append-only table of the database.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end $$;

-- Every access: the caller, the target, the time and the outcome. Append-only, dense, chained, without personal data in clear.
create table access_log (
    sequence bigint primary key,
    at timestamptz not null,
    actor uuid not null,
    role text not null,
    organisation text not null,
    action text not null,
    target text not null,
    reason text,
    outcome text not null,
    rules text [] not null,
    hash bytea not null check (octet_length(hash) = 32),
    -- The database role that wrote the line, which no argument can claim. It is no part of the hash.
    written_by text default session_user
);

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

-- migrate:down
drop function log_access;
drop table access_head, access_log;
drop function refuse_change;
