-- migrate:up

-- Whose event a parked reaction follows, or of which home, if a reaction recorded that too: lists have some of each.
alter table parked add column sender uuid;
update parked set sender = (convert_from(body, 'UTF8')::jsonb -> 'actor' ->> 'id')::uuid;
create index parked_by_sender on parked (sender, sequence, command_id);

-- migrate:down
drop index parked_by_sender;
alter table parked drop column sender;
