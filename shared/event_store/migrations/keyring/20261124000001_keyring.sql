-- migrate:up

-- Data keys, wrapped by a key-encryption key that is never stored here. One row for each generation of a subject's key.
create table data_key (
    subject text not null,
    generation integer not null check (generation > 0),
    epoch text not null,
    wrapped bytea not null,
    created_at timestamptz not null default clock_timestamp(),
    primary key (subject, generation)
);

-- A destroyed key leaves a tombstone, so that it is never made again.
create table tombstone (
    subject text primary key,
    destroyed_at timestamptz not null default clock_timestamp()
);

create function refuse_destroyed() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(new.subject, 0));
    if exists (select 1 from tombstone where tombstone.subject = new.subject) then
        raise exception 'the key of % has been destroyed' , new.subject using errcode = 'object_not_in_prerequisite_state';
    end if;
    return new;
end $$;
create trigger no_key_after_destruction before insert on data_key for each row execute function refuse_destroyed();

create function destroy_keys(p_subject text) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(p_subject, 0));
    insert into tombstone (subject) values (p_subject) on conflict do nothing;
    delete from data_key where data_key.subject = p_subject;
end $$;

-- The application cannot take a key away without the tombstone that says so.
revoke all on all tables in schema public from ooc_app;
revoke execute on function destroy_keys, refuse_destroyed from public;
grant usage on schema public to ooc_app;
grant select, insert on data_key to ooc_app;
grant select on tombstone to ooc_app;
grant execute on function destroy_keys to ooc_app;

-- migrate:down
drop function destroy_keys;
drop table tombstone, data_key;
drop function refuse_destroyed;
