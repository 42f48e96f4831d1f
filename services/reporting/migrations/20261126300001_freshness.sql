-- migrate:up

-- When the projection last held everything that it knew to be published, by service: the worker writes it every few
-- seconds while Kafka answers, and an answer is stale where it has not for longer.
create table freshness (
    service text primary key,
    caught_up_at timestamptz not null
);

-- migrate:down
drop table freshness;
