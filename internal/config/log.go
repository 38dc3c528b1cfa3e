package config

// Log is what is written to standard error.
type Log struct {
	// The least important level that is written: debug, info, warn or error. Default info.
	Level string `yaml:"level"`
	// text for people, json for machines. Default text.
	Format string `yaml:"format"`
	// Write one line per request. Off by default: metrics say it cheaper, and a line per request is most of
	// what such a log costs.
	Requests bool `yaml:"requests"`
	// One line for each thing that happens to a session: created, logged in, rotated, exchanged, restored, ended, by
	// whom and why; docs/audit.md lists them. They hold ids and no secret, and are written whatever level says.
	// on or off. Default on.
	Audit string `yaml:"audit"`
	// On record are the events of so many of the guests' sessions: those of one are all there or none is. Logins and ends
	// always are. Lower it where guests come by the thousand a second. Default 100%.
	AuditGuests Share `yaml:"audit_guests"`
}

func (l *Log) defaults() {
	l.Level, l.Format = "info", "text"
	l.Audit, l.AuditGuests = "on", Whole
}

func (l *Log) validate(k *check) {
	k.oneOf("log.level", l.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", l.Format, "text", "json")
	k.oneOf("log.audit", l.Audit, "on", "off")
}
