package control

import "context"

// FillDisk makes the database refuse to grow, as a full disk does: SQLite answers SQLITE_FULL.
func (c *Control) FillDisk(full bool) error {
	pages := "1"
	if !full {
		pages = "1000000"
	}
	_, err := c.db.db.ExecContext(context.Background(), "PRAGMA max_page_count = "+pages)
	return err
}

// BreakDatabase closes the database under the control plane.
func (c *Control) BreakDatabase() error { return c.db.db.Close() }

// Exec runs a statement as an operator with a shell would.
func (c *Control) Exec(query string) error {
	_, err := c.db.db.ExecContext(context.Background(), query)
	return err
}
