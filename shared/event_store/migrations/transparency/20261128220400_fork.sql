-- migrate:up

-- A branch of the log of events that was given up, after a promotion before its store was compared: the statement that voids its
-- checkpoints, signed by the log and its witness, and what was recorded on it (JSON). Nothing of it is ever recorded again.
create table fork (
    note text primary key,
    evidence bytea not null,
    settled_at timestamptz not null default clock_timestamp()
);
create trigger fork_is_append_only before update or delete or truncate on fork
for each statement execute function refuse_checkpoint_change();

-- migrate:down
drop table fork;
