package app

import (
	"context"
	"log/slog"
	"path/filepath"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/session"
	"crossfade.dev/crossfade/session/sqlstore"
)

// sessionStore is what every kind of session store is to a process.
type sessionStore interface {
	session.Store
	// Writable says why the store refuses writes, or nil.
	Writable(ctx context.Context) error
	Close() error
}

// openStore opens the store that the configuration names.
func openStore(ctx context.Context, c *config.Config, _ config.StoreAddresses, log *slog.Logger) (sessionStore, error) {
	switch kind := c.Session.Store.Kind; kind {
	case config.StoreSQLite:
		s, err := sqlstore.Open(ctx, sqlstore.Config{Path: filepath.Join(c.Data.Folder, "session.db")}, log)
		if err != nil {
			return nil, err
		}
		return s, nil
	default:
		return nil, fault.New(fault.Precondition, "this build has no session store of kind %s", kind).
			WithHint("say kind: %s as session.store.kind", config.StoreSQLite)
	}
}
