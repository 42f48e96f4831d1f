-- migrate:up

-- The chain across batches: the hash after the last version taken, and the first eight bytes of the hash of every version
-- in order, so that a version that comes again is compared with the one taken. Null: taken before this was kept; eight
-- zeros: a version that was skipped.
alter table seen add column hash bytea check (octet_length(hash) = 32);
alter table seen add column digests bytea;

-- Why a record is held, by the name of its alarm; `behind` is one held only because an earlier one of its stream is.
alter table quarantine add column cause text not null default 'poison';
alter table quarantine add column key bytea;
alter table quarantine add column hash bytea;
-- Whether it stands for a position of its service's event store; one that the relay did not write does not.
alter table quarantine add column counted boolean not null default true;
-- An operator has asked the consumer to try the stream again.
alter table quarantine add column retry boolean not null default false;
create index quarantine_to_retry on quarantine (consumer, stream) where retry;
create index quarantine_by_place on quarantine (consumer, topic, partition, cause, "offset");

-- What operators have decided about held records, gaps and alarms. Append-only: who, why and when stay.
create table quarantine_decision (
    id bigint generated always as identity primary key,
    consumer text not null,
    action text not null check (action in ('skip', 'skip_missing', 'retry', 'acknowledge')),
    stream text not null,
    first_version integer,
    last_version integer,
    topic text,
    partition integer,
    "offset" bigint,
    cause text not null,
    error text not null,
    -- The position of a skipped record that no version in `seen` stands for.
    counted boolean not null default false,
    actor text not null check (actor <> '' and length(actor) <= 200),
    reason text not null check (reason <> '' and length(reason) <= 1000),
    decided_at timestamptz not null default clock_timestamp()
);

create function refuse_decision_change() returns trigger language plpgsql as $$
begin
    raise exception 'a decision about quarantine is never changed: record another one';
end
$$;
create trigger quarantine_decision_append_only before update or delete or truncate on quarantine_decision
for each statement execute function refuse_decision_change();

grant select, insert on quarantine_decision to ooc_app;

-- migrate:down
drop table quarantine_decision;
drop function refuse_decision_change;
drop index quarantine_by_place, quarantine_to_retry;
alter table quarantine drop column retry, drop column counted, drop column hash, drop column key, drop column cause;
alter table seen drop column digests, drop column hash;
