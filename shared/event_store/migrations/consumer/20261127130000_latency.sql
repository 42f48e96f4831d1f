-- migrate:up

-- How long the steps of an event's way took: by step, the number of events in each bucket of a histogram and their seconds
-- together. Every process of the service adds what it has observed, every few seconds. No row says whose event it was.
create table latency (
    step text not null,
    -- The upper bound of the bucket, in seconds; the last is infinite.
    at_most double precision not null,
    events bigint not null,
    seconds double precision not null,
    primary key (step, at_most)
);

-- migrate:down
drop table latency;
