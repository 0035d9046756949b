-- What the records of a law ask for and no act may hold: names, addresses, filing numbers, by release, organisation or
-- item. Appended to and never changed: of a field the newest row counts, the older ones say what was recorded before.
create table record_notes (
  subject TEXT not null, field TEXT not null, at BIGINT not null, value TEXT not null, primary key (subject, field, at)
);
