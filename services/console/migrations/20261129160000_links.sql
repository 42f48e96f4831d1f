-- migrate:up

-- Links that open one thing without a sign-in. The id is the hash of what stands in the link, so that a copy of the table
-- opens nothing; the owner is a keyed hash of the id of whom it was given to.
create table link (
    id bytea primary key check (octet_length(id) = 32),
    owner bytea not null check (octet_length(owner) = 32),
    sealed bytea not null,
    ends_at timestamptz not null
);
create index link_owner on link (owner);
create index link_ends_at on link (ends_at);

-- migrate:down

drop table link;
