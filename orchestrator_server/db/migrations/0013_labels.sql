-- Labels are the operators': what they assign to a robot, and what its agent requests and they allow
-- for its machine. What is neither is shown as refused. Robots keep the labels that they have.

ALTER TABLE machines ADD COLUMN allowed_labels ${json} NOT NULL DEFAULT '[]';
ALTER TABLE robots ADD COLUMN assigned_labels ${json} NOT NULL DEFAULT '[]';
ALTER TABLE robots ADD COLUMN requested_labels ${json} NOT NULL DEFAULT '[]';
ALTER TABLE robots ADD COLUMN refused_labels ${json} NOT NULL DEFAULT '[]';
ALTER TABLE robots ADD COLUMN has_inherited_labels BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE robots SET assigned_labels = labels, has_inherited_labels = TRUE
WHERE CAST(labels AS TEXT) <> '[]';

-- Those of a job that its process does not have; null: not known, of a job made before.
ALTER TABLE jobs ADD COLUMN added_labels ${json};
