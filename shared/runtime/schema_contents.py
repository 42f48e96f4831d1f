"""What stands in a database besides its rows: relations, functions, triggers, privileges, settings, and all else that acts.

`schema_contents` describes it, `schema_problems` compares it with what a release makes (services/system/schemas.json, which
`make docs` writes from databases that it has just migrated). Whoever held the owner's login can leave there what no
migration undoes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from shared.servers.database import Connection

Contents = Mapping[str, str]
"""Each thing by its kind and name, with a digest of how it is made; nothing if the name says all."""

_CATALOGUE: Final = "set local search_path = pg_catalog"
"""Else a table of the name of a catalogue's could stand before it, and hide what it holds."""

_CONTENTS: Final = r"""
with place as (select oid, datdba, datacl from pg_database where datname = current_database()),
ours as (select oid, nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'),
relation as (
    select c.* from pg_class as c join ours on ours.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
),
routine as (
    select p.* from pg_proc as p where p.oid >= 16384 or p.pronamespace in (select oid from ours)
),
granted (what, owner, acl) as (
    select 'database', datdba, coalesce(datacl, acldefault('d', datdba)) from place
    union all select format('schema %I', nspname), nspowner, coalesce(nspacl, acldefault('n', nspowner))
    from pg_namespace where oid in (select oid from ours)
    union all select 'table ' || oid::regclass, relowner, relacl from relation
    union all select format('column %s.%I', c.oid::regclass, a.attname), c.relowner, a.attacl
    from relation as c join pg_attribute as a on a.attrelid = c.oid
    union all select 'function ' || oid::regprocedure, proowner, coalesce(proacl, acldefault('f', proowner)) from routine
    union all select 'language ' || lanname, lanowner, lanacl from pg_language
    union all select 'type ' || oid::regtype, typowner, typacl from pg_type where typnamespace in (select oid from ours)
    union all select 'server ' || srvname, srvowner, srvacl from pg_foreign_server
    union all select 'parameter ' || parname, 10, paracl from pg_parameter_acl
    union all select 'large object ' || oid, lomowner, lomacl from pg_largeobject_metadata
    union all select format('whatever (%s) %s makes', defaclobjtype, defaclrole::regrole), defaclrole, defaclacl from pg_default_acl
),
-- What PostgreSQL itself brings: what somebody was granted since, and what leaves something behind and is open to all.
brought (what, classid, objid, part, owner, acl, made, watched) as (
    select 'function ' || oid::regprocedure, 'pg_proc'::regclass, oid, 0, proowner, proacl, acldefault('f', proowner), watched
    from (select *, proname ~ '^(lo_|loread|lowrite|pg_logical_emit_message|pg_(try_)?advisory_(xact_)?lock)' as watched from pg_proc)
    where oid < 16384 and (watched or proacl is not null)
    union all select 'table ' || oid::regclass, 'pg_class'::regclass, oid, 0, relowner, relacl, null, false
    from pg_class where oid < 16384 and relnamespace <> 'information_schema'::regnamespace
    union all select format('column %s.%I', c.oid::regclass, a.attname), 'pg_class'::regclass, c.oid, a.attnum, c.relowner, a.attacl, null, false
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid where c.oid < 16384 and a.attacl is not null
    union all select 'schema ' || nspname, 'pg_namespace'::regclass, oid, 0, nspowner, nspacl, null, false
    from pg_namespace where nspname ~ '^pg_'
),
added (what, owner, grantee, privilege_type, is_grantable) as (
    select b.what, b.owner, a.grantee, a.privilege_type, a.is_grantable from brought as b
    left join pg_init_privs as i on i.classoid = b.classid and i.objoid = b.objid and i.objsubid = b.part
    cross join aclexplode(coalesce(b.acl, b.made)) as a
    where a.grantee = 0 and b.watched or not coalesce(
        coalesce(i.initprivs, b.made) @> makeaclitem(a.grantee, a.grantor, a.privilege_type, a.is_grantable), false
    )
),
privilege as (
    select g.what, g.owner, a.grantee, a.privilege_type, a.is_grantable from granted as g cross join aclexplode(g.acl) as a
    union all select * from added
),
owned (what, owner) as (
    select 'table ' || oid::regclass, relowner from relation
    union all select 'function ' || oid::regprocedure, proowner from routine
    union all select format('schema %I', nspname), nspowner from pg_namespace
    where oid in (select oid from ours) and nspowner <> 'pg_database_owner'::regrole
),
-- What no migration makes: its kind and name suffice.
other (classid, objid) as (
    select 'pg_operator'::regclass, oid from pg_operator union all select 'pg_cast'::regclass, oid from pg_cast
    union all select 'pg_opclass'::regclass, oid from pg_opclass union all select 'pg_language'::regclass, oid from pg_language
    union all select 'pg_extension'::regclass, oid from pg_extension
    union all select 'pg_event_trigger'::regclass, oid from pg_event_trigger
    union all select 'pg_publication'::regclass, oid from pg_publication
    union all select 'pg_foreign_data_wrapper'::regclass, oid from pg_foreign_data_wrapper
    union all select 'pg_foreign_server'::regclass, oid from pg_foreign_server
    union all select 'pg_largeobject'::regclass, oid from pg_largeobject_metadata
    union all select 'pg_statistic_ext'::regclass, oid from pg_statistic_ext
    union all select 'pg_subscription'::regclass, oid from pg_subscription where subdbid = (select oid from place)
    union all select 'pg_type'::regclass, t.oid from pg_type as t left join pg_class as c on c.oid = t.typrelid
    where t.typelem = 0 and coalesce(c.relkind, 'c') = 'c'
)
select format('schema %I', nspname) as name, '' as made from ours
union all select 'table ' || c.oid::regclass, concat_ws(
    E'\n', c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
    case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end,
    (
        select string_agg(concat_ws(
            ' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation,
            pg_get_expr(d.adbin, d.adrelid)
        ), E'\n' order by a.attname)
        from pg_attribute as a left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ),
    (select string_agg(inhparent::regclass::text, ' ') from pg_inherits where inhrelid = c.oid)
) from relation as c
union all select format('constraint %s.%I', t.conrelid::regclass, t.conname), concat_ws(
    E'\n', pg_get_constraintdef(t.oid), t.convalidated,
    (select concat_ws(' ', i.indisvalid, i.indisready) from pg_index as i where i.indexrelid = t.conindid and t.contype <> 'f'),
    (select string_agg(distinct g.tgenabled::text, ' ') from pg_trigger as g where g.tgconstraint = t.oid)
) from pg_constraint as t where t.conrelid in (select oid from relation) and t.contype <> 'n'
union all select 'index ' || i.indexrelid::regclass, concat_ws(E'\n', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready)
from pg_index as i where i.indrelid in (select oid from relation)
and not exists (select from pg_constraint as t where t.conindid = i.indexrelid and t.conrelid = i.indrelid)
union all select format('trigger %s.%I', tgrelid::regclass, tgname), concat_ws(E'\n', pg_get_triggerdef(oid), tgenabled)
from pg_trigger where not tgisinternal
union all select format('rule %s.%I', ev_class::regclass, rulename), concat_ws(E'\n', pg_get_ruledef(oid), ev_enabled)
from pg_rewrite where ev_class in (select oid from relation) and rulename <> '_RETURN'
union all select format('policy %s.%I', polrelid::regclass, polname), concat_ws(
    ' ', polcmd, polpermissive, polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
) from pg_policy
union all select 'function ' || p.oid::regprocedure, concat_ws(
    E'\n', p.prosrc, p.probin, pg_get_function_sqlbody(p.oid), l.lanname, p.prokind, p.prosecdef, p.proleakproof, p.proisstrict,
    p.proretset, p.provolatile, p.proparallel, p.prorettype::regtype, pg_get_function_arguments(p.oid), p.proconfig, p.prosupport
) from routine as p join pg_language as l on l.oid = p.prolang
union all select format('%s %s', i.type, i.identity), '' from other
cross join lateral pg_identify_object(classid, objid, 0) as i where objid >= 16384 or classid = 'pg_largeobject'::regclass
union all select format('the owner %s of %s', owned.owner::regrole, owned.what), '' from owned, place
where owned.owner <> place.datdba
union all select format(
    'the privilege %s on %s for %s%s', lower(privilege_type), what,
    case when grantee = 0 then 'everybody' else grantee::regrole::text end, case when is_grantable then ', to pass on' end
), '' from privilege, place where grantee not in (owner, place.datdba)
union all select format('the setting %s for every role', s.setting), '' from pg_db_role_setting as c
cross join unnest(c.setconfig) as s (setting) where c.setrole = 0 and c.setdatabase in (0, (select oid from place))
"""


async def schema_contents(connection: Connection, service: str | None = None) -> Contents:
    """Describe the connected database, as any role that may connect can; roles of its `service` are named as those of any."""
    async with connection.transaction(readonly=True):
        await connection.execute(_CATALOGUE)
        rows = await connection.fetch(_CONTENTS)
    described = {
        row["name"]: hashlib.sha256(row["made"].encode()).hexdigest()[:16] if row["made"] else "" for row in rows
    }
    return {name.replace(f"ooc_{service}_", "ooc_<service>_"): made for name, made in described.items()}


async def schema_problems(
    connection: Connection, made: Contents, service: str | None = None, passing: str = ""
) -> list[str]:
    """List in words what of the connected database is not as the release made it, but for tables in the schema `passing`."""
    there = await schema_contents(connection, service)
    problems: list[str] = []
    for name in sorted(there.keys() | made.keys()):
        if passing and (f" {passing}." in name or name == f"schema {passing}"):
            continue
        if there.get(name) != made.get(name):
            how = (
                "is missing"
                if name not in there
                else "is changed"
                if name in made
                else "is in no release of this version"
            )
            problems.append(f"{name} {how}")
    return problems
