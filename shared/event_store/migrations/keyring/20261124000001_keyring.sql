-- migrate:up

-- Data keys, wrapped by a key-encryption key that is never stored here. One row for each generation of a subject's key.
create table data_key (
    subject text not null,
    generation integer not null check (generation > 0),
    epoch text not null,
    wrapped bytea not null,
    created_at timestamptz not null default clock_timestamp(),
    primary key (subject, generation),
    -- A nonce of 12 bytes, 32 bytes of ciphertext and a tag of 16.
    constraint wrapped_is_of_a_data_key check (octet_length(wrapped) = 60),
    constraint names_are_short check (octet_length(subject) <= 200 and octet_length(epoch) <= 100)
);

-- A destroyed key leaves a tombstone, so that it is never made again.
create table tombstone (
    subject text primary key,
    destroyed_at timestamptz not null default clock_timestamp(),
    -- The database role that destroyed the key.
    destroyed_by text default session_user
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end $$;
create trigger tombstone_is_append_only before update or delete or truncate on tombstone
for each statement execute function refuse_change();

create function refuse_destroyed() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(new.subject, 0));
    if exists (select 1 from tombstone where tombstone.subject = new.subject) then
        raise exception 'the key of % has been destroyed' , new.subject using errcode = 'object_not_in_prerequisite_state';
    end if;
    return new;
end $$;
create trigger no_key_after_destruction before insert on data_key for each row execute function refuse_destroyed();

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

-- Destroys a key and leaves its tombstone, in one transaction: no role may do the one without the other.
create function destroy_keys(p_subject text) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(p_subject, 0));
    insert into tombstone (subject) values (p_subject) on conflict do nothing;
    delete from data_key where data_key.subject = p_subject;
end $$;

-- migrate:down
drop function destroy_keys, create_keys;
drop table tombstone, data_key;
drop function refuse_skipped_generation, refuse_destroyed, refuse_change;
