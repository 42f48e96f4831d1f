-- migrate:up

-- A line that is written to an access log which lacks what its witness has seen would take the number of a line that is gone.
create function refuse_log_behind_witness() returns trigger language plpgsql as $$
declare
    v_why text;
begin
    select alarm.detail into v_why from alarm where alarm.name = 'log_behind_witness' and alarm.place like '%/access' limit 1;
    if found then
        raise exception '%', v_why using errcode = 'OOC03';
    end if;
    return null;
end $$;
create trigger access_log_extends_what_was_seen after insert on access_log
for each statement execute function refuse_log_behind_witness();

-- migrate:down
drop trigger access_log_extends_what_was_seen on access_log;
drop function refuse_log_behind_witness;
