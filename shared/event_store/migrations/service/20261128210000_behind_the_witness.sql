-- migrate:up

-- Refuses to go on where the store does not hold what its topic does: by the high-water mark, or by the relay's alarm.
-- Raises OOC01; and OOC03 where a log of this database lacks what its witness has seen.
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

-- migrate:down
create or replace function require_high_water_mark(p_position bigint) returns void language plpgsql as $$
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
