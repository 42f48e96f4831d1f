-- migrate:up

-- Up to which time a person has said that they have seen what is new. The owner is a keyed hash of the person's id.
create table seen (
    owner bytea primary key check (octet_length(owner) = 32),
    sealed bytea not null,
    ends_at timestamptz not null
);
create index seen_ends_at on seen (ends_at);

-- migrate:down

drop table seen;
