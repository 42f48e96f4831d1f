-- migrate:up

-- What a stream holds: an append that releases keys, and the verification of a page of streams, read no other claims.
create index claim_by_stream on claim (stream);

-- migrate:down
drop index claim_by_stream;
