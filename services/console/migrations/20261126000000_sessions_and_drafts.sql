-- migrate:up

-- A signed-in person. The id is the hash of the cookie, so that a copy of the table signs nobody in.
create table session (
    id bytea primary key check (octet_length(id) = 32),
    sealed bytea not null,
    ends_at timestamptz not null
);
create index session_ends_at on session (ends_at);

-- A form that is being filled in. The owner is a keyed hash of the person's id.
create table draft (
    id uuid not null,
    owner bytea not null check (octet_length(owner) = 32),
    sealed bytea not null,
    ends_at timestamptz not null,
    primary key (owner, id)
);
create index draft_ends_at on draft (ends_at);

-- migrate:down

drop table draft;
drop table session;
