-- A script may be started by a fork of a process that has loaded its modules already.
ALTER TABLE processes ADD COLUMN start TEXT NOT NULL DEFAULT 'cold';
ALTER TABLE processes ADD COLUMN preload ${json} NOT NULL DEFAULT '[]';
