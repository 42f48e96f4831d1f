-- migrate:up

-- When the operator last did what the system is restored by; the owner writes it (`ooc backup`, `ooc restore drill`).
create table upkeep (
    kind text primary key check (kind in ('backup', 'drill')),
    done_at timestamptz not null default clock_timestamp()
);

-- migrate:down
drop table upkeep;
