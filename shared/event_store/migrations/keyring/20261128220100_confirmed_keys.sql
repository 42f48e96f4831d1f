-- migrate:up

-- As before, and a key that was there is returned once each synchronous standby has it: a commit whose wait was cancelled can
-- be read too, and what is sealed under a key that is lost with its primary is lost with it.
create or replace function create_keys(p_subjects text [], p_epochs text [], p_wrapped bytea [])
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

-- migrate:down
create or replace function create_keys(p_subjects text [], p_epochs text [], p_wrapped bytea [])
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
    return query
    select w.subject, k.generation, k.epoch, k.wrapped
    from unnest(p_subjects) as w (subject)
    left join lateral (
        select d.generation, d.epoch, d.wrapped from data_key as d
        where d.subject = w.subject and not exists (select from tombstone as t where t.subject = w.subject)
        order by d.generation desc limit 1
    ) as k on true;
end $$;
