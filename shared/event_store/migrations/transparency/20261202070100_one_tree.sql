-- migrate:up

-- A tree is computed by the signer and checked by `ooc verify` (shared/evidence/merkle.py). Databases from before computed it again.
drop trigger if exists tree_tile_follows_its_log on tree_tile;
drop trigger if exists signed_checkpoint_is_of_its_tree on signed_checkpoint;
drop function if exists refuse_strange_tile, refuse_strange_checkpoint;

-- And they had two functions that refuse the same.
create or replace trigger signed_checkpoint_is_append_only before update or delete or truncate on signed_checkpoint
for each statement execute function refuse_change();
create or replace trigger log_key_is_append_only before update or delete or truncate on log_key
for each statement execute function refuse_change();
create or replace trigger fork_is_append_only before update or delete or truncate on fork
for each statement execute function refuse_change();
drop function if exists refuse_checkpoint_change;

-- migrate:down
