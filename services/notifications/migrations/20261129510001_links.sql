-- migrate:up

-- The link to the page of an appointment that went with a message: one whose appointment stands no more is ended at once,
-- whenever the message that says so goes.
alter table message
add column link text check (link in ('OPEN', 'OFF', 'ENDED'));
create index message_link_off on message (id) where link = 'OFF';

-- migrate:down

drop index message_link_off;
alter table message
drop column link;
