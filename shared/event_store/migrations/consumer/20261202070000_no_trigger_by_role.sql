-- migrate:up

-- What a role may do is said by its privileges alone (shared/runtime/privileges.py). Databases from before had these triggers.
drop trigger if exists alarm_is_its_own on alarm;
drop trigger if exists checkpoint_is_its_consumers on checkpoint;
drop trigger if exists seen_by_decision on seen;
drop trigger if exists quarantine_by_decision on quarantine;
drop function if exists refuse_foreign_alarm, refuse_moved_checkpoint, require_decision;

-- migrate:down
