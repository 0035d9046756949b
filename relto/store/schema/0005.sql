-- What a node knows of its own standing among the others. All of it may be lost without altering a ledger.

-- A node that was restored, or that others know to be behind: it signs nothing while this row stands.
create table recovering (origin TEXT primary key, since BIGINT not null, why TEXT not null);
-- What each party said of this ledger then, and whom an operator declared unreachable. Kept for ever.
create table recoveries (at BIGINT not null, party TEXT not null, size BIGINT not null, why TEXT not null);

-- When a party's node was last asked, and last answered; what it did wrong then, with a word for the kind of it.
create table contacts (party TEXT primary key, tried BIGINT not null, answered BIGINT not null, kind TEXT not null, problem TEXT not null);
-- What a party says it refused of this ledger.
create table refusals (party TEXT primary key, at BIGINT not null, size BIGINT not null, problem TEXT not null);

-- Backups made here: when, up to which size, to which key.
create table backups (at BIGINT primary key, size BIGINT not null, key TEXT not null);

-- Requests by address in a minute, taken some at a time.
create table rates (client TEXT not null, minute BIGINT not null, taken BIGINT not null, primary key (client, minute));
