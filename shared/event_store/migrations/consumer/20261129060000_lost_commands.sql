-- migrate:up

-- A command that was lost with a branch of the log waits for the person who sent it.
alter table waiting add column sender uuid;
alter table waiting drop constraint waiting_kind_check;
alter table waiting add constraint waiting_kind_check check (kind in ('REACTION', 'STREAM', 'COMMAND'));

-- migrate:down
alter table waiting drop column sender;
