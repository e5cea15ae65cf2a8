-- The row of a change is written with its commit, and finds its answer's status a moment later.
CREATE INDEX audit_by_request ON audit (request_id);
