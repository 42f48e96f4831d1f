-- migrate:up

-- For whom a statement is asked, as JSON, and which logs it counts: what a bundle leaves out, its statements say.
alter table statement add column scope text not null default '{}';
alter table statement add column logs text [] not null default '{events,access}';

-- migrate:down
alter table statement drop column logs, drop column scope;
