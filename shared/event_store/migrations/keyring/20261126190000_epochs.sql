-- migrate:up

-- The epochs of key-encryption keys; never a key itself. An epoch begins with its first data key, or by `ooc keys rotate`.
create table key_epoch (
    epoch text primary key check (octet_length(epoch) between 1 and 100),
    began_at timestamptz not null default clock_timestamp(),
    -- From then on no data key is wrapped by it any more.
    retired_at timestamptz,
    -- The day by which its key is destroyed, and with it every copy of a data key in a backup or a write-ahead log.
    destroy_by date check ((destroy_by is null) = (retired_at is null)),
    destroyed_at timestamptz check (destroyed_at is null or retired_at is not null)
);
insert into key_epoch (epoch, began_at) select epoch, min(created_at) from data_key group by epoch;

-- The trigger fires after that of the table's lock: whoever retires an epoch locks the table, so no insert slips past.
create function refuse_retired_epoch() returns trigger language plpgsql as $$
begin
    insert into key_epoch (epoch) values (new.epoch) on conflict do nothing;
    if exists (select 1 from key_epoch where key_epoch.epoch = new.epoch and key_epoch.retired_at is not null) then
        raise exception 'the epoch % of key-encryption keys is retired', new.epoch using errcode = 'invalid_parameter_value';
    end if;
    return new;
end $$;
create trigger not_by_a_retired_epoch before insert on data_key for each row execute function refuse_retired_epoch();

-- The newest epoch that wrapped a destroyed key: when it is destroyed too, no backup has the key. Null: there was no key.
alter table tombstone add column epoch text;

create or replace function destroy_keys(p_subject text) returns void
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

-- migrate:down
create or replace function destroy_keys(p_subject text) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtextextended(p_subject, 0));
    insert into tombstone (subject) values (p_subject) on conflict do nothing;
    delete from data_key where data_key.subject = p_subject;
end $$;
alter table tombstone drop column epoch;
drop trigger not_by_a_retired_epoch on data_key;
drop function refuse_retired_epoch;
drop table key_epoch;
