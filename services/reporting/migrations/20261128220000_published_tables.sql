-- migrate:up

-- What was published of a measure of a protected characteristic: one table for each quarter or year, for ever. Two that are
-- counted at once take the same number of their year, so each is counted with all that are known before it.
create table published_table (
    measure text not null,
    year date not null,
    number integer not null check (number > 0),
    first_day date not null,
    last_day date not null,
    total integer not null,
    shown jsonb not null,
    positions jsonb not null,
    published_at timestamptz not null default clock_timestamp(),
    primary key (measure, year, number),
    unique (measure, first_day, last_day)
);
create trigger published_table_is_append_only before update or delete or truncate on published_table
for each statement execute function refuse_change();

-- migrate:down
drop table published_table;
