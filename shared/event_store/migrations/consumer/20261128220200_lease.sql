-- migrate:up

-- Who does what a service has only one of: for each database role the process that does it, and until when. A process that
-- hangs renews nothing, whatever its connections do, so another takes over.
create table lease (
    role text primary key,
    holder uuid not null,
    taken_at timestamptz not null,
    expires_at timestamptz not null
);

-- Takes the lease of the calling role for some seconds, or renews it; says whether the caller holds it. With 0 it is given
-- back. An expiry further away than that comes from the clock of another primary, and binds nobody.
create function take_lease(p_holder uuid, p_seconds double precision) returns boolean
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

-- migrate:down
drop function take_lease;
drop table lease;
