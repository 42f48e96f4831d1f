-- migrate:up

-- As before, and not in a transaction that sees the keyring as it was: whoever began one before a key was destroyed would put
-- it back beside its tombstone.
create or replace function refuse_destroyed() returns trigger language plpgsql as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a key is made in a transaction that reads what is committed' using errcode = 'invalid_transaction_state';
    end if;
    perform pg_advisory_xact_lock(hashtextextended(new.subject, 0));
    if exists (select 1 from tombstone where tombstone.subject = new.subject) then
        raise exception 'the key of % has been destroyed' , new.subject using errcode = 'object_not_in_prerequisite_state';
    end if;
    return new;
end $$;

-- migrate:down
create or replace function refuse_destroyed() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(new.subject, 0));
    if exists (select 1 from tombstone where tombstone.subject = new.subject) then
        raise exception 'the key of % has been destroyed' , new.subject using errcode = 'object_not_in_prerequisite_state';
    end if;
    return new;
end $$;
