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
    destroyed_by text default session_user,
    -- The newest epoch that wrapped it: when that is destroyed too, no backup has the key. Null: there was no key.
    epoch text
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end $$;
create trigger tombstone_is_append_only before update or delete or truncate on tombstone
for each statement execute function refuse_change();

-- The epochs of key-encryption keys; never a key itself. The first is open from the beginning; the owner opens the
-- others, by `ooc keys rotate`.
create table key_epoch (
    epoch text primary key check (octet_length(epoch) between 1 and 100),
    began_at timestamptz not null default clock_timestamp(),
    -- From then on no data key is wrapped by it any more.
    retired_at timestamptz,
    -- The day by which its key is destroyed, and with it every copy of a data key in a backup or a write-ahead log.
    destroy_by date check ((destroy_by is null) = (retired_at is null)),
    destroyed_at timestamptz check (destroyed_at is null or retired_at is not null)
);
insert into key_epoch (epoch) values ('1');

-- No key is made after its destruction; nor in a transaction that sees the keyring as it was: whoever began one before a key was
-- destroyed would put it back beside its tombstone.
create function refuse_destroyed() returns trigger language plpgsql as $$
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

-- A process names the epoch of the keys that it makes, which must be open. The trigger fires after the table is
-- locked, as it is while an epoch is retired: no insert slips past.
create function refuse_retired_epoch() returns trigger language plpgsql as $$
begin
    if not exists (select 1 from key_epoch where key_epoch.epoch = new.epoch and key_epoch.retired_at is null) then
        raise exception 'the epoch % of key-encryption keys is not open', new.epoch using errcode = 'invalid_parameter_value';
    end if;
    return new;
end $$;
create trigger not_by_a_retired_epoch before insert on data_key for each row execute function refuse_retired_epoch();

-- Makes the first generation of the keys of some subjects, where there is none, and returns the current key of each: one
-- round trip for many callers. A destroyed subject gets no key; it is returned without one, and fails no other subject.
-- The second statement sees what others have committed meanwhile, so all callers get the same key.
-- A key that was there is returned once each synchronous standby has it: a commit whose wait was cancelled can be read too,
-- and what is sealed under a key that is lost with its primary is lost with it.
create function create_keys(p_subjects text [], p_epochs text [], p_wrapped bytea [])
returns table (subject text, generation integer, epoch text, wrapped bytea)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
    insert into data_key (subject, generation, epoch, wrapped)
    select new.subject, 1, new.epoch, new.wrapped
    from unnest(p_subjects, p_epochs, p_wrapped) as new (subject, epoch, wrapped)
    where not exists (select from data_key as k where k.subject = new.subject)
      and not exists (select from tombstone as t where t.subject = new.subject)
    order by new.subject
    on conflict do nothing;
    if current_setting('synchronous_standby_names') <> '' then
        perform pg_logical_emit_message(true, 'ooc', '');
    end if;
    return query
    select w.subject, k.generation, k.epoch, k.wrapped
    from unnest(p_subjects) as w (subject)
    left join lateral (
        select d.generation, d.epoch, d.wrapped from data_key as d
        where d.subject = w.subject and not exists (select from tombstone as t where t.subject = w.subject)
        order by d.generation desc limit 1
    ) as k on true;
end $$;

-- Destroys a key and leaves its tombstone, in one transaction: no role may do the one without the other.
create function destroy_keys(p_subject text) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(p_subject, 0));
    insert into tombstone (subject, epoch)
    select p_subject, (
        select data_key.epoch from data_key join key_epoch using (epoch)
        where data_key.subject = p_subject order by key_epoch.began_at desc limit 1
    )
    on conflict do nothing;
    delete from data_key where data_key.subject = p_subject;
end $$;

-- The roles that must agree before a key is destroyed: the API of each service that seals. So no process destroys a key alone.
create table key_holder (role text primary key);

create table consent (
    subject text not null check (octet_length(subject) <= 200),
    role text not null,
    agreed_at timestamptz not null default clock_timestamp(),
    primary key (subject, role)
);

-- Whether a subject has a key, or no tombstone.
create function stands(p_subject text) returns boolean
language sql stable set search_path = public, pg_temp as $$
    select exists (select from data_key as k where k.subject = p_subject)
        or not exists (select from tombstone as t where t.subject = p_subject)
$$;

-- The roles that have not agreed to the destruction of a key in the last ten minutes.
create function missing_consents(p_subject text) returns setof text
language sql stable set search_path = public, pg_temp as $$
    select h.role from key_holder as h
    where not exists (
        select from consent as c
        where c.subject = p_subject and c.role = h.role and c.agreed_at > clock_timestamp() - interval '10 minutes'
    )
$$;

-- Agrees for the calling role that some keys are destroyed, for ten minutes; with the last agreement they are. Returns the
-- roles that have still to agree to one of them. A key that is there beside its tombstone, out of a backup, is destroyed again.
create function agree_to_destroy(p_subjects text []) returns table (missing text)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v_subject text;
begin
    for v_subject in select s from unnest(p_subjects) as s order by s loop
        perform pg_advisory_xact_lock(hashtextextended(v_subject, 0));
        insert into consent (subject, role) values (v_subject, session_user)
        on conflict (subject, role) do update set agreed_at = clock_timestamp();
        if stands(v_subject) and exists (select from key_holder) and not exists (select from missing_consents(v_subject)) then
            perform destroy_keys(v_subject);
        end if;
    end loop;
    return query
    select distinct m.role from unnest(p_subjects) as s (subject), missing_consents(s.subject) as m (role)
    where stands(s.subject);
end $$;

-- Takes back what the calling role has agreed to: it has found since that somebody works with the person.
create function withdraw_consent(p_subjects text []) returns void
language sql security definer set search_path = public, pg_temp as $$
    delete from consent where subject = any(p_subjects) and role = session_user
$$;

-- migrate:down
