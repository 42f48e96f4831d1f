-- migrate:up

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

create function refuse_checkpoint_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end $$;
create trigger signed_checkpoint_is_append_only before update or delete or truncate on signed_checkpoint
for each statement execute function refuse_checkpoint_change();

-- The public keys that have signed here. Whoever checks a log takes its keys from elsewhere, and compares.
create table log_key (
    name text not null,
    key text not null primary key,
    added_at timestamptz not null default clock_timestamp()
);
create trigger log_key_is_append_only before update or delete or truncate on log_key
for each statement execute function refuse_checkpoint_change();

-- Statements of what the logs hold of a home: asked for by the API, signed by the signer, which alone has the key.
create table statement (
    id uuid primary key,
    home uuid not null,
    targets text [] not null,
    asked_at timestamptz not null default clock_timestamp(),
    note text
);
-- What was read of a record: '/' is followed by '0' in the order of code points.
create index access_log_by_target on access_log (target);
create index statement_unsigned on statement (asked_at) where note is null;

-- migrate:down
drop index access_log_by_target;
drop table statement, log_key, signed_checkpoint, tree_tile;
drop function refuse_checkpoint_change, refuse_tile_change;
