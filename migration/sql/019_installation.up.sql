-- What tells this installation from others, in one row.
CREATE TABLE installation (
    one boolean NOT NULL PRIMARY KEY,
    -- Where its large things are: a store may be shared.
    id text NOT NULL,
    -- Nobody but the program knows it: whoever may connect to the database may listen, notify and take advisory locks.
    secret text NOT NULL,
    CHECK (one)
);
