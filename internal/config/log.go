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
}

func (l *Log) defaults() { l.Level, l.Format = "info", "text" }

func (l *Log) validate(k *check) {
	k.oneOf("log.level", l.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", l.Format, "text", "json")
}
