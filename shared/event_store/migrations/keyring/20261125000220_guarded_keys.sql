-- migrate:up

-- A wrapped data key is a nonce of 12 bytes, 32 bytes of ciphertext and a tag of 16. Rows from before are left to their readers.
alter table data_key add constraint wrapped_is_of_a_data_key check (octet_length(wrapped) = 60) not valid;
alter table data_key add constraint names_are_short check (octet_length(subject) <= 200 and octet_length(epoch) <= 100) not valid;

-- Generations follow each other without a gap. The trigger no_key_after_destruction fires first and locks the subject.
create function refuse_skipped_generation() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    v_last integer := (select coalesce(max(data_key.generation), 0) from data_key where data_key.subject = new.subject);
begin
    if new.generation > v_last + 1 then
        raise exception 'generation % of the key of % does not follow generation %', new.generation, new.subject, v_last
        using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger no_skipped_generation before insert on data_key for each row execute function refuse_skipped_generation();

-- Makes the first generation of the keys of some subjects, where there is none: a key in use cannot be superseded.
-- Raises object_not_in_prerequisite_state for a subject whose key has been destroyed.
create function create_keys(p_subjects text [], p_epochs text [], p_wrapped bytea []) returns void
language sql security definer set search_path = public, pg_temp as $$
    insert into data_key (subject, generation, epoch, wrapped)
    select new.subject, 1, new.epoch, new.wrapped
    from unnest(p_subjects, p_epochs, p_wrapped) as new (subject, epoch, wrapped)
    order by new.subject
    on conflict do nothing
$$;

-- The database role that destroyed a key; not known of earlier destructions.
alter table tombstone add column destroyed_by text;
alter table tombstone alter column destroyed_by set default session_user;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end $$;
create trigger tombstone_is_append_only before update or delete or truncate on tombstone
for each statement execute function refuse_change();

-- migrate:down
drop trigger tombstone_is_append_only on tombstone;
drop function refuse_change;
alter table tombstone drop column destroyed_by;
drop function create_keys;
drop trigger no_skipped_generation on data_key;
drop function refuse_skipped_generation;
alter table data_key drop constraint names_are_short, drop constraint wrapped_is_of_a_data_key;
