-- migrate:up

-- The lines about a record, and what is below it, are read as a range of targets, whatever the database sorts by.
alter table access_log alter column target type text collate "C";

-- migrate:down
alter table access_log alter column target type text collate "default";
