-- migrate:up

-- Unmet duties in the order of the list of cases, and in that of the daily sheet: a page reads what it shows.
drop index duty_open;
create index duty_open_by_case on duty (due, home) where met_on is null and closed_on is null and lapsed_on is null;
create index duty_open on duty (due, service collate "C", stream, duty collate "C", item collate "C")
where met_on is null and closed_on is null and lapsed_on is null;
create index duty_open_of_case on duty (home) where met_on is null and closed_on is null and lapsed_on is null;

-- A duty that ended, by the days on which it stood open: those that still do are in the indexes above.
create index duty_ended on duty using gist (during) where not upper_inf(during);
drop index duty_during;

-- The filters of the list.
create index stream_by_state on stream (state, home);
create index stream_by_officer on stream (officer, home) where officer is not null;

-- migrate:down
drop index stream_by_officer;
drop index stream_by_state;
create index duty_during on duty using gist (during);
drop index duty_ended;
drop index duty_open_of_case;
drop index duty_open;
drop index duty_open_by_case;
create index duty_open on duty (due) where met_on is null and closed_on is null and lapsed_on is null;
