-- migrate:up

-- The trigger function of every append-only table of a database that has logs.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end $$;

-- The Merkle trees (RFC 9162) over the logs of this database, in tiles of 256 hashes: see shared/evidence/merkle.py.
create table tree_tile (
    log text not null,
    level smallint not null check (level >= 0),
    number bigint not null check (number >= 0),
    hashes bytea not null check (octet_length(hashes) between 32 and 8192 and octet_length(hashes) % 32 = 0),
    primary key (log, level, number)
);

create function refuse_tile_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if row(new.log, new.level, new.number) is not distinct from row(old.log, old.level, old.number)
            and substring(new.hashes from 1 for octet_length(old.hashes)) = old.hashes then
            return new;
        end if;
    end if;
    raise exception 'a tile of a tree only grows: % is refused', tg_op using errcode = 'insufficient_privilege';
end $$;
create trigger tree_tile_only_grows before update or delete on tree_tile
for each row execute function refuse_tile_change();
create trigger tree_tile_is_kept before truncate on tree_tile
for each statement execute function refuse_tile_change();

-- Every checkpoint as it was published: a signed note (C2SP tlog-checkpoint), with the witness's cosignature where it gave one.
create table signed_checkpoint (
    log text not null,
    size bigint not null check (size > 0),
    root bytea not null check (octet_length(root) = 32),
    note text not null,
    signed_at timestamptz not null default clock_timestamp(),
    primary key (log, size)
);

create trigger signed_checkpoint_is_append_only before update or delete or truncate on signed_checkpoint
for each statement execute function refuse_change();

-- The public keys that have signed here. Whoever checks a log takes its keys from elsewhere, and compares.
create table log_key (
    name text not null,
    key text not null primary key,
    added_at timestamptz not null default clock_timestamp(),
    -- A key that cannot be read would end each verification; its id follows from its bytes (C2SP signed-note).
    constraint log_key_is_a_key check (
        key ~ '^[^[:space:]+]{1,200}[+][0-9a-f]{8}[+][A-Za-z0-9+/]{44}$'
        and name = split_part(key, '+', 1)
        and split_part(key, '+', 2) = left(encode(sha256(convert_to(name || E'\n', 'UTF8') || decode(right(key, 44), 'base64')), 'hex'), 8)
        and get_byte(decode(right(key, 44), 'base64'), 0) in (1, 4)
    )
);
create trigger log_key_is_append_only before update or delete or truncate on log_key
for each statement execute function refuse_change();

-- Statements of what the logs hold of a home: asked for by the API, signed by the signer, which alone has the key.
create table statement (
    id uuid primary key,
    home uuid not null,
    targets text [] not null,
    asked_at timestamptz not null default clock_timestamp(),
    note text,
    -- For whom it is asked, as JSON, and which logs it counts: what a bundle leaves out, its statements say.
    scope text not null default '{}',
    logs text [] not null default '{events,access}',
    -- The signer signs for whom a statement is asked as it stands: one line of printable ASCII, as JSON is written.
    constraint statement_is_short check (
        octet_length(scope) <= 10000 and scope !~ '[^ -~]' and cardinality(targets) <= 10000 and cardinality(logs) <= 10
    )
);
create index statement_unsigned on statement (asked_at) where note is null;

-- A branch of the log of events that was given up, after a promotion before its store was compared: the statement that voids its
-- checkpoints, signed by the log and its witness, and what was recorded on it (JSON). Nothing of it is ever recorded again.
create table fork (
    note text primary key,
    evidence bytea not null,
    settled_at timestamptz not null default clock_timestamp()
);
create trigger fork_is_append_only before update or delete or truncate on fork
for each statement execute function refuse_change();

-- migrate:down
