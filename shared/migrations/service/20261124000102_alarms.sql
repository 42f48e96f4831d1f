-- migrate:up

-- What a person must look at, for as long as it holds, such as a gap that stops a partition of a reactor.
create table alarm (
    consumer text not null,
    name text not null,
    place text not null,
    detail text not null,
    raised_at timestamptz not null default clock_timestamp(),
    primary key (consumer, name, place)
);
grant select, insert, update, delete on alarm to ooc_app;

-- migrate:down
drop table alarm;
