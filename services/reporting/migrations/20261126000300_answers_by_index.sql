-- migrate:up

-- The position of each service up to which no event is missing, kept with each batch, so that no answer counts the facts.
create table high_water_mark (
    service text primary key,
    position bigint not null check (position >= 0)
);
insert into high_water_mark (service, position)
select s.service, coalesce((
    select min(f.position) from fact as f
    where f.service = s.service
      and not exists (select 1 from fact as g where g.service = f.service and g.position = f.position + 1)
      and exists (select 1 from fact as g where g.service = f.service and g.position = 1)
), 0)
from (select distinct service from fact) as s;

-- When a stream's first event was recorded: what was known at a time begins there.
alter table stream add column begun_at timestamptz;
update stream set begun_at = f.recorded_at
from fact as f where f.service = stream.service and f.stream = stream.stream and f.version = 1;
alter table stream alter column begun_at set not null;

-- From the first to the last day on which a stream may count in a measure, and the person whose other streams may matter.
alter table stream add column counted daterange;
alter table stream add column subject uuid;
update stream set counted = case when d.first is not null then daterange(d.first, d.last, '[]') end,
    subject = coalesce(record ->> 'child', record ->> 'harmer')::uuid
from (
    select s.service, s.stream, min(day) as first, max(day) as last
    from stream as s left join lateral (
        select unnest(array[
            s.record ->> 'triaged_on', s.record ->> 'assessed_on', s.record ->> 'held_on', s.record ->> 'delivered_on',
            s.record #>> '{given,on}', s.record #>> '{ended,on}', s.record #>> '{outcome,on}'
        ])::date as day
        union all
        select (lapsed ->> 'on')::date from jsonb_array_elements(s.record -> 'lapsed') as lapsed
    ) as days on true
    group by s.service, s.stream
) as d
where d.service = stream.service and d.stream = stream.stream and (d.first is not null or record ?| '{child,harmer}');
create index stream_counted on stream using gist (counted);
create index stream_by_subject on stream (subject) where subject is not null;
create index stream_open on stream (service) where open;

-- The streams that had begun by a time and changed after it: few, however many there are.
create index stream_alive on stream using gist (tstzrange(opened_at, updated_at));
drop index stream_changed;

-- The days on which a duty stood open, so that the sheet of any day is one look into an index.
alter table duty add column during daterange generated always as (
    case when least(met_on, closed_on, lapsed_on) <= opened_on then 'empty'::daterange
    else daterange(opened_on, least(met_on, closed_on, lapsed_on)) end
) stored;
create index duty_during on duty using gist (during);

-- migrate:down
alter table duty drop column during;
create index stream_changed on stream (service, updated_at);
drop index stream_alive;
drop index stream_open;
alter table stream drop column subject;
alter table stream drop column counted;
alter table stream drop column begun_at;
drop table high_water_mark;
