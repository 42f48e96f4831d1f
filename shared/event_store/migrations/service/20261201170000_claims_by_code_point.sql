-- migrate:up

-- The claims of a home are read as a range of keys, which is one by code point alone, whatever the database sorts by.
alter table claim alter column key type text collate "C";

-- migrate:down
alter table claim alter column key type text collate "default";
