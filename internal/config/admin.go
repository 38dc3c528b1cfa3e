package config

// Admin is who may govern rollouts, issue magic cookies and end sessions.
type Admin struct {
	// Where the bearer token of the admin API is. The command line looks for the same file in
	// secrets/admin.token beside the configuration.
	Token Secret `yaml:"token"`
}

func (a *Admin) validate(k *check) { a.Token.validate(k, "admin.token") }
