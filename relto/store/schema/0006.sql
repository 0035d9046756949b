-- Shares of packages as they are wrapped for this node now, by policy and binding. When the node's key changes they are
-- wrapped anew here, and packages that are long on their way open as before.
create table shares (
  policy TEXT not null, binding TEXT not null, kind TEXT not null, kid TEXT not null, wrapped TEXT not null, ephemeral TEXT not null,
  primary key (policy, binding)
);
