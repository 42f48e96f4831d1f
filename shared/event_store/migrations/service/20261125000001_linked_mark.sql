-- migrate:up

-- What other services' events say of a home that access depends on, such as who leads its work there. Marks are codes
-- and ids of officers; they are only ever added, and follow from the topics.
create table linked_mark (
    home uuid not null,
    mark text not null,
    primary key (home, mark)
);

-- migrate:down
drop table linked_mark;
