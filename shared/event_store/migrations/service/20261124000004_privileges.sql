-- migrate:up

-- The application may read, and write events only through the function; it owns nothing, so it can grant itself nothing.
revoke execute on function append from public;
grant usage on schema public to ooc_app;
grant select on event, head, answer, claim to ooc_app;
grant execute on function append to ooc_app;

-- migrate:down
revoke all on event, head, answer, claim from ooc_app;
