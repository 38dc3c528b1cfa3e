package redisstore

import (
	"github.com/redis/rueidis"

	"crossfade.dev/crossfade/session"
)

// SubjectKey is the key of a subject's index.
func SubjectKey(s *Store, subject string) string { return s.keys.subject(subject) }

// Client is the store's own.
func Client(s *Store) rueidis.Client { return s.client }

// RecordSize is how many bytes a check reads.
func RecordSize(r *session.Record) int { return len(appendRecord(nil, r)) }
