INSERT INTO installation (one, id, secret) VALUES (true, lower(hex(randomblob(16))), lower(hex(randomblob(16))));
