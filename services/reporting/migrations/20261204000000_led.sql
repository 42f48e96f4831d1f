-- migrate:up

-- Who leads a case, and who led it on an earlier day, is asked for every measure: nearly no record has ever moved.
create index stream_led on stream (service) where record -> 'led' <> '[]';

-- migrate:down

drop index stream_led;
