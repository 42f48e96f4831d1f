-- migrate:up

-- As before, but whoever does not hold the lease cannot give it back: any expiry is further away than no seconds, so two
-- processes that lost it to each other ended it for each other for ever.
create or replace function take_lease(p_holder uuid, p_seconds double precision) returns boolean
language sql security definer set search_path = public, pg_temp as $$
    with asked as (select clock_timestamp() as at, make_interval(secs => p_seconds) as term),
    taken as (
        insert into lease (role, holder, taken_at, expires_at)
        select session_user, p_holder, asked.at, asked.at + asked.term from asked
        on conflict (role) do update set holder = excluded.holder, expires_at = excluded.expires_at,
            taken_at = case lease.holder when excluded.holder then lease.taken_at else excluded.taken_at end
        where lease.holder = excluded.holder
            or p_seconds > 0 and lease.expires_at not between excluded.taken_at and excluded.expires_at
        returning true
    )
    select exists (select from taken)
$$;

-- migrate:down
create or replace function take_lease(p_holder uuid, p_seconds double precision) returns boolean
language sql security definer set search_path = public, pg_temp as $$
    with asked as (select clock_timestamp() as at, make_interval(secs => p_seconds) as term),
    taken as (
        insert into lease (role, holder, taken_at, expires_at)
        select session_user, p_holder, asked.at, asked.at + asked.term from asked
        on conflict (role) do update set holder = excluded.holder, expires_at = excluded.expires_at,
            taken_at = case lease.holder when excluded.holder then lease.taken_at else excluded.taken_at end
        where lease.holder = excluded.holder or lease.expires_at not between excluded.taken_at and excluded.expires_at
        returning true
    )
    select exists (select from taken)
$$;
