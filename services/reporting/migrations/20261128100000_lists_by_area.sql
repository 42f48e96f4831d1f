-- migrate:up

-- The list of cases of one area, whatever else the installation holds.
create index stream_by_area on stream (area);

-- The indexes of unmet duties, by one expression. PostgreSQL expects few rows of it, as there are; of three columns that are each
-- null in most rows it expected nearly all, and read the whole table.
drop index duty_open_by_case;
drop index duty_open;
drop index duty_open_of_case;
create index duty_open_by_case on duty (due, home) where coalesce(met_on, closed_on, lapsed_on) is null;
create index duty_open on duty (due, service collate "C", stream, duty collate "C", item collate "C")
where coalesce(met_on, closed_on, lapsed_on) is null;
create index duty_open_of_case on duty (home) where coalesce(met_on, closed_on, lapsed_on) is null;

-- migrate:down
drop index duty_open_of_case;
drop index duty_open;
drop index duty_open_by_case;
create index duty_open_by_case on duty (due, home) where met_on is null and closed_on is null and lapsed_on is null;
create index duty_open on duty (due, service collate "C", stream, duty collate "C", item collate "C")
where met_on is null and closed_on is null and lapsed_on is null;
create index duty_open_of_case on duty (home) where met_on is null and closed_on is null and lapsed_on is null;
drop index stream_by_area;
