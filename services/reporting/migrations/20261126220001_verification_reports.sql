-- migrate:up

-- A report of `ooc verify`, to the byte. The line of the access log that records its keeping holds the SHA-256 of the bytes.
create table verification_report (
    id uuid primary key,
    kept_at timestamptz not null default clock_timestamp(),
    actor uuid not null,
    whole boolean not null,
    report bytea not null,
    sha256 bytea not null check (sha256 = sha256(report))
);
create index verification_report_latest on verification_report (kept_at);
create trigger verification_report_is_append_only before update or delete or truncate on verification_report
for each statement execute function refuse_change();

-- migrate:down
drop table verification_report;
