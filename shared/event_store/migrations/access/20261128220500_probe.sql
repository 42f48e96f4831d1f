-- migrate:up

-- Writes nothing but a record of the write-ahead log, so that an API learns whether a commit would return now.
create function probe_write() returns void language sql security definer set search_path = public, pg_temp as $$
    select pg_logical_emit_message(true, 'ooc', '')
$$;

-- migrate:down
drop function probe_write;
