-- migrate:up

-- Who looks after an alarm, and since when. It goes with the alarm: one that is raised again after its end is new.
alter table alarm add column attended_by text check (octet_length(attended_by) <= 200), add column attended_at timestamptz;

-- Whoever looks after an alarm says nothing of its cause.
drop trigger alarm_is_its_own on alarm;
create trigger alarm_is_its_own before insert or update of consumer, name, place, detail, raised_at on alarm
for each row execute function refuse_foreign_alarm();

alter table quarantine_decision drop constraint quarantine_decision_action_check, add constraint quarantine_decision_action_check
check (action in ('skip', 'skip_missing', 'retry', 'acknowledge', 'attend'));

-- migrate:down
alter table quarantine_decision drop constraint quarantine_decision_action_check, add constraint quarantine_decision_action_check
check (action in ('skip', 'skip_missing', 'retry', 'acknowledge'));
drop trigger alarm_is_its_own on alarm;
create trigger alarm_is_its_own before insert or update on alarm
for each row execute function refuse_foreign_alarm();
alter table alarm drop column attended_by, drop column attended_at;
