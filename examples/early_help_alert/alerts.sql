-- What the service has taken, and what follows from it. Alerts are views over facts, so no order between topics matters,
-- and a repeat or a correction changes what it should and nothing else.

pragma journal_mode = wal;

create table if not exists school (urn text primary key);

-- The offset after the last record that was taken, in the transaction of its effect.
create table if not exists place (topic text, partition integer, offset integer not null, primary key (topic, partition));

-- How far each stream has come, and the hash of its last event.
create table if not exists stream (stream text primary key, version integer not null, hash text not null);

create table if not exists event (
    event_id text primary key,
    type text not null,
    stream text not null,
    version integer not null,
    occurred_at text not null,
    command_id text not null,
    data text not null
);

-- What was sent back for an alert: written before it is sent, so that a repeat has the same key.
create table if not exists sent (
    because text primary key,
    referral_id text not null,
    request text not null,
    answer text not null default 'WAITING',
    receipt text,
    problem text
);

-- Who had a part in which referral; a person who is linked again has the newer part.
create view if not exists child as
select stream, person_id, role, school_urn
from (
    select
        stream,
        data ->> 'person_id' as person_id,
        data ->> 'role' as role,
        data ->> '$.details.school_urn' as school_urn,
        row_number() over (partition by stream, data ->> 'person_id' order by version desc) as latest
    from event
    where type = 'ooc.referral.PersonLinked.v1'
)
where latest = 1 and role in ('HARMER', 'HARMED') and school_urn in (select urn from school);

-- How each place in a session ended: as it was recorded, or as it was decided later.
create view if not exists absence as
select person_id, event_id, occurred_at
from (
    select
        data ->> 'person_id' as person_id,
        event_id,
        occurred_at,
        case type
            when 'ooc.education.AbsenceReasonDecided.v1' then not data ->> 'acceptable'
            else data ->> 'status' = 'DNA_UNACCEPTABLE'
        end as missed,
        row_number() over (partition by stream, data ->> 'person_id' order by version desc) as latest
    from event
    where type in ('ooc.education.AttendanceRecorded.v1', 'ooc.education.AbsenceReasonDecided.v1')
)
where latest = 1 and missed;

create view if not exists alert as
select
    'REFERRED_TO_EARLY_HELP' as kind,
    child.person_id,
    child.school_urn,
    event.event_id as because,
    event.occurred_at as since
from event
join child using (stream)
where event.type = 'ooc.referral.ReferralTriaged.v1' and event.data ->> 'outcome' = 'REFER_EARLY_HELP'
union all
select
    'MISSED_SESSIONS' as kind,
    person_id,
    school_urn,
    because,
    since
from (
    select
        absence.person_id,
        known.school_urn,
        absence.event_id as because,
        absence.occurred_at as since,
        row_number() over (partition by absence.person_id order by absence.occurred_at, absence.event_id) as nth
    from absence
    join (select person_id, max(school_urn) as school_urn from child group by person_id) as known using (person_id)
)
where nth = 2;

-- What became of an alert: the receipt, and what the partnership's own events say of the referral since.
create view if not exists alert_with_referral as
select
    alert.*,
    sent.referral_id,
    sent.answer,
    sent.problem,
    received.event_id is not null as received,
    (
        select triaged.data ->> 'outcome'
        from event as triaged
        where triaged.stream = 'referral/' || sent.referral_id and triaged.type = 'ooc.referral.ReferralTriaged.v1'
        order by triaged.version desc limit 1
    ) as outcome
from alert
left join sent using (because)
left join event as received
    on received.type = 'ooc.referral.ReferralReceived.v1' and received.command_id = sent.receipt ->> 'command_id';
