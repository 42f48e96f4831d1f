-- migrate:up

-- A draft that is changed again and again does not live for ever: what somebody typed of a child is sent, or goes.
alter table draft
add column begun_at timestamptz not null default now();

-- migrate:down

alter table draft
drop column begun_at;
