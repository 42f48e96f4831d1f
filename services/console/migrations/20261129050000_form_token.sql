-- migrate:up

-- A form knows its session without the cookie, so that it is kept for its person when the browser has lost the cookie.
alter table session
add column form_token bytea;

create unique index session_form_token on session (form_token);

-- migrate:down

drop index session_form_token;

alter table session
drop column form_token;
