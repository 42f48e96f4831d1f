-- migrate:up

-- Returns once what was read may be given out or published: the relay has compared this timeline, and each synchronous
-- standby has the write-ahead log up to here, since a commit whose wait was cancelled can be read too. That takes a commit
-- of its own, of whatever the log keeps; without synchronous standbys it takes none.
create or replace function confirm() returns void language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform require_compared_timeline();
    if current_setting('synchronous_standby_names') <> '' then
        if current_setting('synchronous_commit') in ('off', 'local') then
            perform set_config('synchronous_commit', 'on', true);
        end if;
        perform pg_logical_emit_message(true, 'ooc', '');
    end if;
end $$;

-- Whoever holds the head row stops no command for ever; the waiting ones are answered 503.
alter function append set lock_timeout = '10s';

-- migrate:down
alter function append reset lock_timeout;
create or replace function confirm() returns void language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform require_compared_timeline();
end $$;
