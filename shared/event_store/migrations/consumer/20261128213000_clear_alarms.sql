-- migrate:up

-- Clears the alarms of a consumer by name, at one place or at every one. A role that may delete from the table could lock it.
create function clear_alarms(p_consumer text, p_names text [], p_place text default null) returns void
language sql security definer set search_path = public, pg_temp as $$
    delete from alarm where consumer = p_consumer and name = any(p_names) and (p_place is null or place = p_place)
$$;

-- migrate:down
drop function clear_alarms;
