-- migrate:up

-- Every process reads the alarms, and some of them stop a service: each is raised by whom it stands for, and is short.
create function refuse_foreign_alarm() returns trigger language plpgsql as $$
declare
    v_kind text := substring(session_user from '^ooc_.*_(api|worker|relay|signer)$');
begin
    if v_kind is not null and (case new.name
        when 'topic_ahead_of_event_store' then v_kind <> 'relay' or new.consumer <> 'relay'
        -- An API that compares at its start raises it for the signer.
        when 'log_behind_witness' then v_kind not in ('signer', 'api') or new.consumer <> 'signer'
        when 'clocks_apart' then new.consumer <> session_user
        else false
    end) then
        raise exception '% raises no alarm % of %', session_user, new.name, new.consumer using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger alarm_is_its_own before insert or update on alarm
for each row execute function refuse_foreign_alarm();
alter table alarm add constraint alarm_is_short check (
    octet_length(consumer) + octet_length(name) + octet_length(place) <= 1000 and octet_length(detail) <= 4000
) not valid;

-- migrate:down
alter table alarm drop constraint alarm_is_short;
drop trigger alarm_is_its_own on alarm;
drop function refuse_foreign_alarm;
