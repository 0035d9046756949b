-- Mirrors in fewer rows. A run of 256 entries that begins at a multiple of 256 and comes in one commit is one row here,
-- as tlog-tiles cuts it: `entries` is the bundle as it is served (uint16 length ‖ bytes, 256 times), `hashes` the tile of
-- level 0. An entry stands in `leaves` or here, never in both; the rows that are there stay where they are.
create table bundles (
  origin TEXT not null references heads (origin), first BIGINT not null check (first >= 0 and first % 256 = 0),
  hashes BYTEA not null check (length(hashes) = 8192), entries BYTEA not null check (length(entries) >= 512),
  primary key (origin, first)
);

-- A mirror on its way to a checkpoint that is further than one step: so many entries beyond its head are stored and
-- proven to stand under the checkpoint in `note`. With the last step the row goes and the head stands there.
create table growing (
  origin TEXT primary key references heads (origin), size BIGINT not null check (size > 0),
  frontier BYTEA not null check (length(frontier) % 32 = 0), note BYTEA not null
);

-- An opening belongs to an entry that may be in either table, so that no constraint can say so: `append` does.
alter table openings rename to openings_before;
create table openings (
  origin   TEXT   NOT NULL,
  idx      BIGINT NOT NULL CHECK (idx >= 0),
  salt     BYTEA  NOT NULL CHECK (length(salt) = 32),
  envelope BYTEA  NOT NULL CHECK (length(envelope) BETWEEN 1 AND 65535),
  PRIMARY KEY (origin, idx)
);
insert into openings (origin, idx, salt, envelope) select origin, idx, salt, envelope from openings_before;
drop table openings_before;

-- The edge of the tree as it was published, so that a start need not read the whole ledger to know that it only grew.
alter table published add column frontier BYTEA;
