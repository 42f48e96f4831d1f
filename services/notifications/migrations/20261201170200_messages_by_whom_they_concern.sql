-- migrate:up

-- The cases in which a person who is forgotten was written to, or about: each service says so, of each of them.
create index message_by_concerned on message (concerns);

-- migrate:down
drop index message_by_concerned;
