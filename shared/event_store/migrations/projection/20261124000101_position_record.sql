-- migrate:up

-- What a relay has said: all up to this position lies before these offsets. The recent ones of each service.
create table position_record (
    service text not null,
    position bigint not null,
    offsets jsonb not null,
    primary key (service, position)
);

-- migrate:down
