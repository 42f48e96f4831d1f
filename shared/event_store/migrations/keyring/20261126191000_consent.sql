-- migrate:up

-- The roles that must agree before a key is destroyed: the API of each service that seals. So no process destroys a key alone.
create table key_holder (role text primary key);

create table consent (
    subject text not null check (octet_length(subject) <= 200),
    role text not null,
    agreed_at timestamptz not null default clock_timestamp(),
    primary key (subject, role)
);

-- Agrees for the calling role that some keys are destroyed, for ten minutes; with the last agreement they are. Returns the
-- roles that have still to agree to one of them.
create function agree_to_destroy(p_subjects text []) returns table (missing text)
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

create function missing_consents(p_subject text) returns setof text
language sql stable set search_path = public, pg_temp as $$
    select h.role from key_holder as h
    where not exists (
        select from consent as c
        where c.subject = p_subject and c.role = h.role and c.agreed_at > clock_timestamp() - interval '10 minutes'
    )
$$;

-- migrate:down
drop function agree_to_destroy, missing_consents;
drop table consent, key_holder;
