-- migrate:up

-- A signed-in person. The id is the hash of the cookie, so that a copy of the table signs nobody in.
create table session (
    id bytea primary key check (octet_length(id) = 32),
    sealed bytea not null,
    ends_at timestamptz not null,
    -- A session that nobody uses falls asleep. One request at a time renews its tokens, without holding a connection meanwhile.
    used_at timestamptz not null default now(),
    renewing_until timestamptz,
    -- A form knows its session without the cookie, so that it is kept for its person when the browser has lost the cookie.
    form_token bytea
);
create index session_ends_at on session (ends_at);
create unique index session_form_token on session (form_token);

-- A form that is being filled in. The owner is a keyed hash of the person's id.
create table draft (
    id uuid not null,
    owner bytea not null check (octet_length(owner) = 32),
    sealed bytea not null,
    ends_at timestamptz not null,
    -- A draft that is changed again and again does not live for ever: what somebody typed of a child is sent, or goes.
    begun_at timestamptz not null default now(),
    primary key (owner, id)
);
create index draft_ends_at on draft (ends_at);

-- Up to which time a person has said that they have seen what is new. The owner is a keyed hash of the person's id.
create table seen (
    owner bytea primary key check (octet_length(owner) = 32),
    sealed bytea not null,
    ends_at timestamptz not null
);
create index seen_ends_at on seen (ends_at);

-- The names of officers as the identity provider gives them at the sign-in. The owner is a keyed hash of id and role.
create table officer (
    owner bytea primary key check (octet_length(owner) = 32),
    sealed bytea not null,
    ends_at timestamptz not null
);
create index officer_ends_at on officer (ends_at);

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
