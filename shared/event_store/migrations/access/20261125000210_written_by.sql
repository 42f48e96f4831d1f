-- migrate:up

-- The database role that wrote the line, which no argument can claim; not known of earlier lines. It is no part of the hash.
alter table access_log add column written_by text;
alter table access_log alter column written_by set default session_user;

-- migrate:down
alter table access_log drop column written_by;
