-- migrate:up

-- An API locks the checkpoints of what an operator decides about, for which PostgreSQL asks the right to change them; it
-- moves none, or its consumer would pass events by.
create function refuse_moved_checkpoint() returns trigger language plpgsql as $$
begin
    if session_user ~ '^ooc_.*_api$' then
        raise exception '% moves no consumer', session_user using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger checkpoint_is_its_consumers before update on checkpoint
for each row execute function refuse_moved_checkpoint();

-- migrate:down
drop trigger checkpoint_is_its_consumers on checkpoint;
drop function refuse_moved_checkpoint;
