-- migrate:up

-- The application may read, and write only through the two functions; it owns nothing, so it can grant itself nothing.
revoke all on all tables in schema public from ooc_app;
revoke execute on function append, log_access, refuse_change from public;
grant usage on schema public to ooc_app;
grant select on event, head, answer, claim, access_log, access_head to ooc_app;
grant execute on function append, log_access to ooc_app;
grant select, insert, update, delete on checkpoint, seen, parked, quarantine, relayed to ooc_app;

-- migrate:down
revoke all on all tables in schema public from ooc_app;
