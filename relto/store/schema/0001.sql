-- Ledgers: where each log stands, its entries, and the openings that this party holds.
-- One text for SQLite and PostgreSQL: plain types, $1 placeholders, no sequences. Lengths are in bytes.

CREATE TABLE schema_version (
  version BIGINT NOT NULL PRIMARY KEY
);

CREATE TABLE heads (
  origin   TEXT   NOT NULL PRIMARY KEY,
  size     BIGINT NOT NULL CHECK (size >= 0),
  root     BYTEA  NOT NULL CHECK (length(root) = 32),
  note     BYTEA  NOT NULL,
  frontier BYTEA  NOT NULL CHECK (length(frontier) % 32 = 0),
  seen     BIGINT NOT NULL CHECK (seen >= 0)
);

CREATE TABLE leaves (
  origin TEXT   NOT NULL REFERENCES heads (origin),
  idx    BIGINT NOT NULL CHECK (idx >= 0),
  leaf   BYTEA  NOT NULL CHECK (length(leaf) <= 65535),
  hash   BYTEA  NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (origin, idx)
);

CREATE TABLE openings (
  origin   TEXT   NOT NULL,
  idx      BIGINT NOT NULL,
  salt     BYTEA  NOT NULL CHECK (length(salt) = 32),
  envelope BYTEA  NOT NULL CHECK (length(envelope) BETWEEN 1 AND 65535),
  PRIMARY KEY (origin, idx),
  FOREIGN KEY (origin, idx) REFERENCES leaves (origin, idx)
);
