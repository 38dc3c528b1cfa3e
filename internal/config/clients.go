package config

// Client is a program that may call the session API.
type Client struct {
	// How logs and the changelog call it. Small letters, digits and dashes. A client that verifies contexts
	// is named like its upstream.
	Name string `yaml:"name"`
	// What it may do. service: read and change the one session whose context it presents. legacy: any
	// session, and log in and out; for the legacy application alone. admin: find, show and end sessions.
	Role string `yaml:"role"`
	// Where its bearer secret is.
	Secret Secret `yaml:"secret"`
}

// The roles of a client.
const (
	RoleService = "service"
	RoleLegacy  = "legacy"
	RoleAdmin   = "admin"
)

func validateClients(k *check, clients []Client) {
	seen := map[string]bool{}
	for i, c := range clients {
		path := item("clients", i)
		if k.needs(join(path, "name"), c.Name, "name it like the upstream that it is") && !plainName(c.Name) {
			k.fail(join(path, "name"), "use small letters, digits and dashes", "%q is not a name", c.Name)
		}
		if c.Name == "admin" {
			k.fail(join(path, "name"), "admin.token is that client's secret", "is the name of the admin API's own client")
		}
		if seen[c.Name] {
			k.fail(join(path, "name"), "", "%q is given twice", c.Name)
		}
		seen[c.Name] = true
		k.needs(join(path, "role"), c.Role, "say service, legacy or admin")
		k.oneOf(join(path, "role"), c.Role, RoleService, RoleLegacy, RoleAdmin)
		c.Secret.validate(k, join(path, "secret"))
	}
}
