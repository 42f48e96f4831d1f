-- migrate:up

-- An API drops a held record, or has versions passed over, only with the decision of an operator in the same transaction,
-- which stands for ever.
create function require_decision() returns trigger language plpgsql as $$
declare
    v_decided boolean;
begin
    if tg_op = 'DELETE' then
        v_decided := exists (
            select from quarantine_decision as d
            where d.consumer = old.consumer and d.stream = old.stream and d.topic = old.topic and d.partition = old.partition
                and d."offset" = old."offset" and d.decided_at >= now()
        );
    else
        v_decided := exists (
            select from quarantine_decision as d
            where d.consumer = new.consumer and d.stream = new.stream and d.last_version >= new.version and d.decided_at >= now()
        );
    end if;
    if not v_decided then
        raise exception '% passes nothing over without a decision', session_user using errcode = 'insufficient_privilege';
    end if;
    return null;
end $$;
create constraint trigger seen_by_decision after insert or update on seen deferrable initially deferred
for each row when (session_user ~ '^ooc_.*_api$') execute function require_decision();
create constraint trigger quarantine_by_decision after delete on quarantine deferrable initially deferred
for each row when (session_user ~ '^ooc_.*_api$') execute function require_decision();

-- migrate:down
drop trigger quarantine_by_decision on quarantine;
drop trigger seen_by_decision on seen;
drop function require_decision;
