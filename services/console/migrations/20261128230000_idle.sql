-- migrate:up

-- A session that nobody uses falls asleep. One request at a time renews its tokens, without holding a connection meanwhile.
alter table session
add column used_at timestamptz not null default now(),
add column renewing_until timestamptz;

-- migrate:down

alter table session
drop column renewing_until,
drop column used_at;
