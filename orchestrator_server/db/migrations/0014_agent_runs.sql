-- Which run of an agent works as a robot. A run is one process of an agent, from its start to its
-- end. Two that are alive at the same time are two agents with one name and key, as after a machine
-- was cloned: the run with the lower number, which registered first on the machine, stays.
ALTER TABLE robots ADD COLUMN agent_instance TEXT;
ALTER TABLE robots ADD COLUMN agent_run TEXT;
ALTER TABLE robots ADD COLUMN agent_run_number BIGINT;
ALTER TABLE robots ADD COLUMN agent_run_since ${timestamp};
-- The run before it, which has ended, unless it is heard of again.
ALTER TABLE robots ADD COLUMN displaced_run TEXT;
ALTER TABLE robots ADD COLUMN displaced_run_number BIGINT;
-- The run that was found to be the second one.
ALTER TABLE robots ADD COLUMN refused_run TEXT;
ALTER TABLE robots ADD COLUMN duplicate_agent_at ${timestamp};
