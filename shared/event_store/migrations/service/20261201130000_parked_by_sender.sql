-- migrate:up

-- Whose event a parked reaction follows, or of which home, if a reaction recorded that too: lists have some of each.
alter table parked add column sender uuid;
update parked set sender = case event -> 'actor' ->> 'role' when 'SYSTEM' then event ->> 'home' else event -> 'actor' ->> 'id' end::uuid
from (select command_id, convert_from(body, 'UTF8')::json as event from parked) as one where one.command_id = parked.command_id;
create index parked_by_sender on parked (sender, sequence, command_id);

-- migrate:down
drop index parked_by_sender;
alter table parked drop column sender;
