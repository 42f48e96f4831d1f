-- migrate:up

-- A person has asked the worker to try the reaction again, whether its target has moved or not.
alter table parked add column retry boolean not null default false;

-- migrate:down
alter table parked drop column retry;
