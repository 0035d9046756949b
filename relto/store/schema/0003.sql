-- Checkpoints as others get them. The head is signed by Ed25519 at commit; what is published carries ML-DSA-44 and, as
-- they come, the partners' cosignatures. Rows of smaller sizes than the newest are kept only while they are the newest
-- with cosignatures.
create table published (
  origin TEXT not null references heads (origin), size BIGINT not null, note BYTEA not null, cosigned BIGINT not null, at BIGINT not null,
  primary key (origin, size)
);

-- What this party's witness key cosigned last of each other ledger. Read, checked and replaced in one transaction.
create table witnessed (origin TEXT primary key, size BIGINT not null, root BYTEA not null, note BYTEA not null, at BIGINT not null);
