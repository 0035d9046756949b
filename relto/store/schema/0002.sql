-- A node's own rows beside the ledgers. Everything about people is private, never leaves this file, and may be erased
-- without touching ledgers, proofs or replay.

-- Parties this node has pinned: by words read aloud, by the charter's directory, by a member's introduction.
create table peers (
  party TEXT primary key, inception TEXT not null, origin TEXT not null unique, address TEXT not null, envelope BYTEA not null, how TEXT not null
);

-- Tag keys that this node's ledger uses for each reader (published sealed, in `channel` acts).
create table channels (reader TEXT not null, inception TEXT not null, key BYTEA not null, primary key (reader, inception));

-- Ledgers held in parts: what an outsider is served. Leaves with their inclusion proven under the head.
create table parts (origin TEXT not null, idx BIGINT not null, leaf BYTEA not null, salt BYTEA not null, envelope BYTEA not null, primary key (origin, idx));
create table part_heads (origin TEXT primary key, size BIGINT not null, root BYTEA not null, note BYTEA not null, seen BIGINT not null);

-- The party's own people.
create table people (
  alias TEXT primary key, pseudonym TEXT not null unique, name TEXT not null, contact TEXT not null, class BYTEA not null, place TEXT not null
);
-- What this node vouched for; a release is received against it.
create table vouched (jti TEXT primary key, pseudonym TEXT not null, audience TEXT not null, class BYTEA not null, item TEXT not null, at BIGINT not null);

-- Presentations of other parties' people that a release rests on: private evidence, by salted hash in the act.
create table evidence (digest TEXT primary key, salt BYTEA not null, token BYTEA not null, release TEXT not null);

-- Answers that released nothing. Never a ledger entry, so that asking cannot flood one.
create table journal (
  id TEXT primary key, at BIGINT not null, decision TEXT not null, party TEXT not null, organisation TEXT not null, pseudonym TEXT not null,
  item TEXT not null, answer TEXT not null, body BYTEA not null
);

-- One release for one lost reply: same item version, package, part, pseudonym, proof key and decision, within ten minutes.
create table retries (key TEXT primary key, release TEXT not null, decision TEXT not null, at BIGINT not null, fetched BIGINT not null default 0);

-- Tokens used once, until they expire by themselves.
create table used_tokens (jti TEXT primary key, until BIGINT not null);

-- Items sealed here: the opaque id in a package, the digest of its manifest.
create table packages (digest TEXT primary key, opaque TEXT not null, item TEXT not null, version BIGINT not null, at BIGINT not null);

-- What another party's ledger did wrong, as first seen.
create table alarms (origin TEXT not null, at BIGINT not null, problem TEXT not null, primary key (origin, problem));

-- Releases whose package the own person's client says it opened: what the next receipt carries.
create table opened (release TEXT primary key, at BIGINT not null);
