-- migrate:up

-- The day on which a stream was closed before its duty was met: the case shows it, the sheet no longer does.
alter table duty add column lapsed_on date;
drop index duty_open;
create index duty_open on duty (due) where met_on is null and closed_on is null and lapsed_on is null;

-- migrate:down
drop index duty_open;
create index duty_open on duty (due) where met_on is null and closed_on is null;
alter table duty drop column lapsed_on;
