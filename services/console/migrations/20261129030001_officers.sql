-- migrate:up

-- The names of officers as the identity provider gives them at the sign-in. The owner is a keyed hash of id and role.
create table officer (
    owner bytea primary key check (octet_length(owner) = 32),
    sealed bytea not null,
    ends_at timestamptz not null
);
create index officer_ends_at on officer (ends_at);

-- migrate:down

drop table officer;
