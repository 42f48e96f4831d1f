-- migrate:up

-- The commands of reactions that had nothing to do. They recorded no event; who follows a receipt is told so.
create table nothing_to_do (
    command_id uuid primary key,
    stream text not null,
    at timestamptz not null default clock_timestamp()
);

-- migrate:down
drop table nothing_to_do;
