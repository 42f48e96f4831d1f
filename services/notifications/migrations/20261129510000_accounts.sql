-- migrate:up

-- Whether the recipient is an account of the identity provider, a school's or an officer's, and no person of a case: only the
-- outbox says what became of it.
alter table message
add column to_account boolean not null default false;

-- migrate:down

alter table message
drop column to_account;
