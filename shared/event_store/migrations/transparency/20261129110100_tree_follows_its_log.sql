-- migrate:up

-- Whoever has the signer's role, and no signing key, adds to the trees only what follows from the logs, for what is once in a
-- tree can never be taken out. A tile's new hashes are those of entries, or of the full tiles below.
create function refuse_strange_tile() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    -- What stands already is looked at no more: an upsert comes here as an insert of the whole tile.
    v_first integer := coalesce((
        select octet_length(t.hashes) / 32 from tree_tile as t
        where t.log = new.log and t.level = new.level and t.number = new.number
    ), 0);
    v_count integer := octet_length(new.hashes) / 32 - v_first;
    v_begin bigint := new.number * 256 + v_first;
    v_wanted bytea;
    v_below bytea;
begin
    if v_count <= 0 then
        return new;
    end if;
    if new.level = 0 and new.log = 'events' then
        select string_agg(
            sha256('\x00'::bytea || int8send(e.position) || int8send((extract(epoch from e.recorded_at) * 1000000)::bigint) || e.hash),
            ''::bytea order by e.position
        ) into v_wanted from event as e where e.position > v_begin and e.position <= v_begin + v_count;
    elsif new.level = 0 then
        select string_agg(
            sha256('\x00'::bytea || int8send(l.sequence) || int8send((extract(epoch from l.at) * 1000000)::bigint) || l.hash),
            ''::bytea order by l.sequence
        ) into v_wanted from access_log as l where l.sequence > v_begin and l.sequence <= v_begin + v_count;
    else
        v_wanted := ''::bytea;
        for v_below in
            select t.hashes from tree_tile as t
            where t.log = new.log and t.level = new.level - 1 and t.number >= v_begin and t.number < v_begin + v_count
                and octet_length(t.hashes) = 8192
            order by t.number
        loop
            while octet_length(v_below) > 32 loop
                select string_agg(sha256('\x01'::bytea || substring(v_below from 64 * n + 1 for 64)), ''::bytea order by n)
                into v_below from generate_series(0, octet_length(v_below) / 64 - 1) as n;
            end loop;
            v_wanted := v_wanted || v_below;
        end loop;
    end if;
    if substring(new.hashes from 32 * v_first + 1) is distinct from v_wanted then
        raise exception 'tile % of level % does not follow from the log %', new.number, new.level, new.log
        using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger tree_tile_follows_its_log before insert or update on tree_tile
for each row execute function refuse_strange_tile();

-- A checkpoint has the root of the tree at its size (RFC 9162, section 2.1.1), and its note says so.
create function refuse_strange_checkpoint() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    v_size bigint := new.size;
    v_level smallint := 0;
    v_tile bytea;
    v_rest integer;
    v_part integer;
    v_hashes bytea;
    v_root bytea;
begin
    while v_size > 0 loop
        v_rest := v_size % 256;
        v_tile := (
            select t.hashes from tree_tile as t where t.log = new.log and t.level = v_level and t.number = v_size / 256
        );
        while v_rest > 0 loop
            v_part := v_rest & -v_rest;  -- the smallest complete subtree, which is the last
            v_rest := v_rest - v_part;
            v_hashes := substring(v_tile from 32 * v_rest + 1 for 32 * v_part);
            while octet_length(v_hashes) > 32 loop
                select string_agg(sha256('\x01'::bytea || substring(v_hashes from 64 * n + 1 for 64)), ''::bytea order by n)
                into v_hashes from generate_series(0, octet_length(v_hashes) / 64 - 1) as n;
            end loop;
            v_root := case when v_root is null then v_hashes else sha256('\x01'::bytea || v_hashes || v_root) end;
        end loop;
        v_size := v_size / 256;
        v_level := v_level + 1;
    end loop;
    if v_root is distinct from new.root
        or strpos(new.note, format(E'\n%s\n%s\n\n', new.size, encode(new.root, 'base64'))) = 0 or octet_length(new.note) > 10000 then
        raise exception 'the checkpoint of % entries is not of the tree of the log %', new.size, new.log using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger signed_checkpoint_is_of_its_tree before insert on signed_checkpoint
for each row execute function refuse_strange_checkpoint();

-- A key that cannot be read would end each verification; its id follows from its bytes (C2SP signed-note).
alter table log_key add constraint log_key_is_a_key check (
    key ~ '^[^[:space:]+]{1,200}[+][0-9a-f]{8}[+][A-Za-z0-9+/]{44}$'
    and name = split_part(key, '+', 1)
    and split_part(key, '+', 2) = left(encode(sha256(convert_to(name || E'\n', 'UTF8') || decode(right(key, 44), 'base64')), 'hex'), 8)
    and get_byte(decode(right(key, 44), 'base64'), 0) in (1, 4)
) not valid;

-- migrate:down
alter table log_key drop constraint log_key_is_a_key;
drop trigger signed_checkpoint_is_of_its_tree on signed_checkpoint;
drop trigger tree_tile_follows_its_log on tree_tile;
drop function refuse_strange_checkpoint, refuse_strange_tile;
