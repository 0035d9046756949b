-- Other software of the own people: its name, the digest of its secret, and for whom, which node and what it asks.
create table clients (
  id TEXT primary key, secret TEXT not null, alias TEXT not null, audience TEXT not null, purpose TEXT not null, place TEXT not null,
  bearer BIGINT not null, at BIGINT not null
);
