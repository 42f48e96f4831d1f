-- migrate:up

-- As before, and a key that is there beside its tombstone, out of a backup, is destroyed again.
create or replace function agree_to_destroy(p_subjects text []) returns table (missing text)
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

-- Whether a subject has a key, or no tombstone.
create function stands(p_subject text) returns boolean
language sql stable set search_path = public, pg_temp as $$
    select exists (select from data_key as k where k.subject = p_subject)
        or not exists (select from tombstone as t where t.subject = p_subject)
$$;

-- migrate:down
create or replace function agree_to_destroy(p_subjects text []) returns table (missing text)
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v_subject text;
begin
    for v_subject in select s from unnest(p_subjects) as s order by s loop
        perform pg_advisory_xact_lock(hashtextextended(v_subject, 0));
        insert into consent (subject, role) values (v_subject, session_user)
        on conflict (subject, role) do update set agreed_at = clock_timestamp();
        if not exists (select from tombstone as t where t.subject = v_subject) then
            if exists (select from key_holder) and not exists (select from missing_consents(v_subject)) then
                perform destroy_keys(v_subject);
            end if;
        end if;
    end loop;
    return query
    select distinct m.role from unnest(p_subjects) as s (subject), missing_consents(s.subject) as m (role)
    where not exists (select from tombstone as t where t.subject = s.subject);
end $$;
drop function stands;
