-- migrate:up

-- A process names the epoch of the keys that it makes. Only the owner opens one: the first here, the others by `ooc keys rotate`.
insert into key_epoch (epoch) select '1' where not exists (select from key_epoch);

create or replace function refuse_retired_epoch() returns trigger language plpgsql as $$
begin
    if not exists (select 1 from key_epoch where key_epoch.epoch = new.epoch and key_epoch.retired_at is null) then
        raise exception 'the epoch % of key-encryption keys is not open', new.epoch using errcode = 'invalid_parameter_value';
    end if;
    return new;
end $$;

-- migrate:down
create or replace function refuse_retired_epoch() returns trigger language plpgsql as $$
begin
    insert into key_epoch (epoch) values (new.epoch) on conflict do nothing;
    if exists (select 1 from key_epoch where key_epoch.epoch = new.epoch and key_epoch.retired_at is not null) then
        raise exception 'the epoch % of key-encryption keys is retired', new.epoch using errcode = 'invalid_parameter_value';
    end if;
    return new;
end $$;
