-- +goose Up
-- The writes of many callers in one statement: one round trip, one transaction, one sync, one notification. The
-- functions carry a number. A later schema adds functions beside them, because programs of both versions run
-- while a deployment rolls.

-- What a caller asks for: one of session.Op, or activity. Which fields count depends on the kind; postgres_op.go
-- fills them in.
CREATE TYPE crossfade.op_1 AS (
    kind       bigint,
    id         bytea,   -- record, legacy key; of EndSubject the record that is spared
    lineage    bytea,
    subject    text,
    reason     text,
    name       text,
    generation bigint,
    state      bigint,
    version    bigint,
    created    bigint,
    seen       bigint,
    idle       bigint,
    expires    bigint,
    born       bigint,
    first      bigint,
    used       bigint,
    keep       bigint,
    due        bigint,
    number     bigint,
    secret     bytea,
    sealed     bytea,
    head       bytea,
    attributes bytea,
    operation  bytea
);

-- What became of it. refused: 0 no, 1 a condition does not hold, 2 the lineage has ended. said: what changed, as
-- postgres_said.go reads it; the same bytes are the answer to the caller and the notification to everybody.
CREATE TYPE crossfade.answer_1 AS (refused bigint, said bytea);

-- +goose StatementBegin
CREATE FUNCTION crossfade.draw_1(of_subject text, at bigint, OUT drawn bigint, OUT said bytea) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE crossfade.counters SET value = value + 1 WHERE name = 'mark' RETURNING value INTO drawn;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the revocation sequence is missing' USING ERRCODE = 'data_corrupted';
    END IF;
    INSERT INTO crossfade.marks AS m (subject, mark, at) VALUES (of_subject, drawn, draw_1.at)
        ON CONFLICT (subject) DO UPDATE SET mark = excluded.mark, at = excluded.at;
    said := '\x04'::bytea || int8send(drawn) || int4send(octet_length(of_subject)) || convert_to(of_subject, 'UTF8');
END $$;
-- +goose StatementEnd

-- bury_1 ends the records of lineages and leaves their tombstones. Records are met in the order of their ids, so
-- that two that end the same ones wait for each other instead of for each other's.
-- +goose StatementBegin
CREATE FUNCTION crossfade.bury_1(lineages bytea[], why text, ended_at bigint, until bigint, covered bigint) RETURNS bytea
LANGUAGE plpgsql AS $$
DECLARE
    ids  bytea[];
    said bytea;
BEGIN
    ids := ARRAY(SELECT id FROM crossfade.sessions WHERE id = ANY (lineages) AND lineage IS NULL AND state < 4
        UNION ALL SELECT id FROM crossfade.sessions
        WHERE lineage IS NOT NULL AND lineage = ANY (lineages) AND generation > 0 AND state < 4);
    WITH met AS (
        SELECT id, state AS was, greatest(keep, expires) AS last, coalesce(lineage, id) AS l
        FROM crossfade.sessions WHERE id = ANY (ids) AND state < 4 ORDER BY id FOR UPDATE
    ), over AS (
        UPDATE crossfade.sessions s SET state = 4, version = s.version + 1, reason = nullif(why, ''),
            keep = greatest(s.keep, s.expires), sealed = NULL, attributes = NULL
        FROM met WHERE s.id = met.id RETURNING s.id, s.version, met.was
    ), buried AS (
        INSERT INTO crossfade.tombstones AS t (lineage, reason, at, keep, end_id)
        SELECT b.l, why, ended_at, greatest(until, (SELECT max(last) FROM met WHERE met.l = b.l)), covered
        FROM unnest(lineages) AS b(l) ORDER BY b.l
        ON CONFLICT (lineage) DO UPDATE SET keep = greatest(t.keep, excluded.keep) RETURNING t.lineage
    )
    SELECT coalesce((SELECT string_agg(CASE WHEN was < 3 THEN '\x05'::bytea ELSE '\x06'::bytea END || id || int8send(version), '' ORDER BY id) FROM over), '')
        || coalesce((SELECT string_agg('\x03'::bytea || lineage, '' ORDER BY lineage) FROM buried), '') INTO said;
    RETURN said;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION crossfade.end_lineage_1(op crossfade.op_1) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    covered bigint;
BEGIN
    UPDATE crossfade.tombstones t SET keep = greatest(t.keep, op.keep) WHERE t.lineage = op.lineage RETURNING t.end_id INTO covered;
    IF FOUND THEN -- repeated: the first reason and notice stay
        RETURN CASE WHEN covered = 0 THEN '' ELSE '\x07'::bytea || int8send(covered) || '\x03'::bytea || op.lineage END;
    END IF;
    covered := 0;
    IF op.operation IS NOT NULL THEN
        INSERT INTO crossfade.outbox (operation, lineage, everybody, before, reason, since, next)
        VALUES (op.operation, op.lineage, 0, 0, op.reason, op.created, op.created) RETURNING id INTO covered;
    END IF;
    RETURN '\x07'::bytea || int8send(covered) || crossfade.bury_1(ARRAY[op.lineage], op.reason, op.created, op.keep, covered);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION crossfade.end_subject_1(op crossfade.op_1, OUT refused bigint, OUT said bytea) LANGUAGE plpgsql AS $$
DECLARE
    drawn    bigint;
    covered  bigint := 0;
    lineages bytea[];
BEGIN
    refused := 0;
    SELECT d.drawn, d.said INTO drawn, said FROM crossfade.draw_1(op.subject, op.created) d;
    IF op.id IS NOT NULL THEN
        UPDATE crossfade.sessions s SET born = drawn, version = s.version + 1
        WHERE s.id = op.id AND s.version = op.version AND s.state = 1;
        IF NOT FOUND THEN
            refused := 1;
            RETURN;
        END IF;
        said := said || '\x01'::bytea || op.id || int8send(op.version + 1);
    END IF;
    IF op.operation IS NOT NULL THEN
        INSERT INTO crossfade.outbox (operation, subject, everybody, before, except_lineage, reason, since, next)
        VALUES (op.operation, op.subject, 0, drawn, op.lineage, op.reason, op.created, op.created) RETURNING id INTO covered;
    END IF;
    lineages := ARRAY(SELECT DISTINCT coalesce(s.lineage, s.id) FROM crossfade.sessions s
        WHERE s.subject = op.subject AND s.state < 4 AND coalesce(s.lineage, s.id) IS DISTINCT FROM op.lineage);
    WITH known AS (
        UPDATE crossfade.tombstones t SET keep = greatest(t.keep, op.keep) WHERE t.lineage = ANY (lineages) RETURNING t.lineage
    )
    SELECT ARRAY(SELECT l FROM unnest(lineages) AS u(l) EXCEPT SELECT lineage FROM known) INTO lineages;
    said := said || '\x07'::bytea || int8send(covered);
    IF cardinality(lineages) > 0 THEN
        said := said || crossfade.bury_1(lineages, op.reason, op.created, op.keep, covered);
    END IF;
END $$;
-- +goose StatementEnd

-- apply_1 carries out one operation. One that is refused has written nothing, but for end_subject_1: an operation
-- that may be refused late is never alone, see commit_1.
-- +goose StatementBegin
CREATE FUNCTION crossfade.apply_1(op crossfade.op_1, OUT refused bigint, OUT said bytea) LANGUAGE plpgsql AS $$
DECLARE
    covered bigint := 0;
    drawn   bigint;
BEGIN
    refused := 0;
    said := '';
    CASE op.kind
    WHEN 1 THEN -- Insert
        IF EXISTS (SELECT FROM crossfade.tombstones t WHERE t.lineage = coalesce(op.lineage, op.id)) THEN
            refused := 2;
            RETURN;
        END IF;
        INSERT INTO crossfade.sessions (id, lineage, generation, state, version, subject, reason, created, seen, idle, expires,
            born, first, used, keep, secret, sealed, head, due, attributes)
        VALUES (op.id, op.lineage, op.generation, op.state, op.version, op.subject, op.reason, op.created, op.seen, op.idle, op.expires,
            op.born, op.first, op.used, op.keep, op.secret, op.sealed, op.head, op.due, op.attributes)
        ON CONFLICT DO NOTHING;
        said := '\x01'::bytea || op.id || int8send(op.version);
    WHEN 2, 3 THEN -- Update: what touches set is kept. 2 leaves the attributes as they are
        UPDATE crossfade.sessions s SET generation = op.generation, state = op.state, version = op.version, subject = op.subject,
            reason = op.reason, seen = greatest(s.seen, op.seen), idle = op.idle, expires = op.expires, born = op.born,
            first = CASE s.first WHEN 0 THEN op.first ELSE s.first END,
            used = CASE WHEN s.secret = op.secret AND s.used <> 0 THEN s.used ELSE op.used END,
            keep = op.keep, secret = op.secret, sealed = op.sealed, head = op.head,
            attributes = CASE op.kind WHEN 3 THEN op.attributes ELSE s.attributes END
        WHERE s.id = op.id AND s.version = op.version - 1;
        said := '\x01'::bytea || op.id || int8send(op.version);
    WHEN 4 THEN -- PutKey
        IF op.version = 1 THEN
            INSERT INTO crossfade.legacy_keys (hash, lineage, given, closed, moved, presented, keep, version)
            VALUES (op.id, op.lineage, op.generation, op.state, op.secret, op.seen, op.keep, 1) ON CONFLICT DO NOTHING;
        ELSE
            UPDATE crossfade.legacy_keys k SET lineage = op.lineage, given = op.generation, closed = op.state, moved = op.secret,
                presented = CASE k.presented WHEN 0 THEN op.seen ELSE k.presented END, keep = op.keep, version = op.version
            WHERE k.hash = op.id AND k.version = op.version - 1;
        END IF;
        said := '\x02'::bytea || op.id;
    WHEN 5 THEN -- PutNote
        IF op.attributes IS NULL THEN
            DELETE FROM crossfade.notes n WHERE n.name = op.name AND n.version = op.version - 1;
        ELSIF op.version = 1 THEN
            INSERT INTO crossfade.notes (name, version, value) VALUES (op.name, 1, op.attributes) ON CONFLICT DO NOTHING;
        ELSE
            UPDATE crossfade.notes n SET value = op.attributes, version = op.version WHERE n.name = op.name AND n.version = op.version - 1;
        END IF;
    WHEN 6 THEN
        said := crossfade.end_lineage_1(op);
        RETURN;
    WHEN 7 THEN
        SELECT e.refused, e.said INTO refused, said FROM crossfade.end_subject_1(op) e;
        RETURN;
    WHEN 8 THEN -- EndEverybody
        SELECT d.drawn, d.said INTO drawn, said FROM crossfade.draw_1('', op.created) d;
        IF op.operation IS NOT NULL THEN
            INSERT INTO crossfade.outbox (operation, everybody, before, reason, since, next)
            VALUES (op.operation, 1, drawn, op.reason, op.created, op.created) RETURNING id INTO covered;
            said := said || '\x07'::bytea || int8send(covered);
        END IF;
        RETURN;
    WHEN 9 THEN -- ConfirmEnd
        DELETE FROM crossfade.outbox WHERE id = op.number;
        UPDATE crossfade.tombstones SET end_id = 0 WHERE end_id = op.number AND end_id <> 0;
        RETURN;
    WHEN 10 THEN -- FailEnd: session.FailEnd.Pause
        UPDATE crossfade.outbox SET attempts = attempts + 1, cause = op.reason,
            next = op.created + least(op.expires, op.idle << least(attempts, 20)::int) WHERE id = op.number;
        RETURN;
    WHEN 11 THEN -- activity
        UPDATE crossfade.sessions s SET seen = greatest(s.seen, op.seen),
            first = CASE WHEN s.first = 0 THEN op.used ELSE s.first END,
            used = CASE WHEN s.used = 0 AND s.secret = op.secret THEN op.used ELSE s.used END
        WHERE s.id = op.id AND s.state < 3 AND s.seen + s.idle > op.created;
        RETURN;
    WHEN 12 THEN -- the race that a secret was kept for is over
        UPDATE crossfade.sessions s SET sealed = NULL WHERE s.id = op.id AND s.state < 3 AND s.sealed IS NOT NULL;
        RETURN;
    WHEN 13 THEN -- the first presentation of a legacy key
        UPDATE crossfade.legacy_keys k SET presented = op.seen WHERE k.hash = op.id AND k.presented = 0;
        RETURN;
    END CASE;
    IF NOT FOUND THEN
        refused := 1;
        said := '';
    END IF;
END $$;
-- +goose StatementEnd

-- commit_1 carries out the operations of many callers: lasts holds the place of each caller's last one. What one
-- is refused, its operations before included, does not happen; its neighbours' do. Locks on lineages come first
-- and in order: an insert shares its lineage's with others, an end has it alone, or an insert that has not
-- committed yet would outlive the end that could not see it. (They are striped: a lock table is small.)
-- Sequential scans are off because plans are made when tables are empty.
-- +goose StatementBegin
CREATE FUNCTION crossfade.commit_1(
    shared int[], alone int[], lasts int[],
    kinds bigint[], ids bytea[], lineages bytea[], subjects text[], reasons text[], names text[],
    generations bigint[], states bigint[], versions bigint[], createds bigint[], seens bigint[], idles bigint[], expireds bigint[],
    borns bigint[], firsts bigint[], useds bigint[], keeps bigint[], dues bigint[], numbers bigint[],
    secrets bytea[], sealeds bytea[], heads bytea[], attributes bytea[], operations bytea[]
) RETURNS SETOF crossfade.answer_1 LANGUAGE plpgsql SET enable_seqscan = off SET lock_timeout = '8s' AS $$
DECLARE
    ops  crossfade.op_1[];
    begun int := 1;
    until int;
    a    crossfade.answer_1;
    mine crossfade.answer_1;
    told bytea := '';
    text64 text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'sessions are committed at isolation level read committed' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    IF current_setting('synchronous_commit') = 'off' THEN -- an answered write is a write kept
        PERFORM set_config('synchronous_commit', 'local', true);
    END IF;
    PERFORM CASE WHEN l.s = ANY (alone) THEN pg_advisory_xact_lock(1668443763, l.s) ELSE pg_advisory_xact_lock_shared(1668443763, l.s) END
        FROM (SELECT DISTINCT u.s FROM unnest(shared || alone) AS u(s) ORDER BY u.s) AS l;
    ops := ARRAY(SELECT ROW(o.*)::crossfade.op_1 FROM unnest(kinds, ids, lineages, subjects, reasons, names, generations, states, versions,
        createds, seens, idles, expireds, borns, firsts, useds, keeps, dues, numbers, secrets, sealeds, heads, attributes, operations) AS o);
    FOREACH until IN ARRAY lasts LOOP
        mine := ROW(0, ''::bytea);
        IF begun = until AND ops[begun].kind <> 7 THEN
            SELECT * INTO mine FROM crossfade.apply_1(ops[begun]);
        ELSE
            BEGIN
                FOR i IN begun .. until LOOP
                    SELECT * INTO a FROM crossfade.apply_1(ops[i]);
                    IF a.refused <> 0 THEN
                        RAISE EXCEPTION 'refused' USING ERRCODE = 'CF001';
                    END IF;
                    mine.said := mine.said || a.said;
                END LOOP;
            EXCEPTION WHEN SQLSTATE 'CF001' THEN
                mine := ROW(a.refused, ''::bytea);
            END;
        END IF;
        told := told || mine.said;
        begun := until + 1;
        RETURN NEXT mine;
    END LOOP;
    -- A notification holds 8000 bytes. Those of one transaction arrive together and in order: what does not fit
    -- goes on in the next, numbered, because equal ones would be told once; "+" says that more comes.
    text64 := translate(encode(told, 'base64'), E'\n', '');
    FOR i IN 0 .. (length(text64) - 1) / 7800 LOOP
        EXIT WHEN text64 = '';
        PERFORM pg_notify('crossfade_sessions', i::text || CASE WHEN (i + 1) * 7800 < length(text64) THEN '+' ELSE '.' END
            || substr(text64, i * 7800 + 1, 7800));
    END LOOP;
END $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION crossfade.commit_1, crossfade.apply_1, crossfade.end_subject_1, crossfade.end_lineage_1, crossfade.bury_1, crossfade.draw_1;
DROP TYPE crossfade.answer_1, crossfade.op_1;
