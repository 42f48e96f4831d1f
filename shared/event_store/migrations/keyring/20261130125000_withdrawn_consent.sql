-- migrate:up

-- Takes back what the calling role has agreed to: it has found since that somebody works with the person.
create function withdraw_consent(p_subjects text []) returns void
language sql security definer set search_path = public, pg_temp as $$
    delete from consent where subject = any(p_subjects) and role = session_user
$$;

-- migrate:down
drop function withdraw_consent;
