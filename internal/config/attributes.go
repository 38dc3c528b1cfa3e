package config

import (
	"strings"
)

// Attribute is what is known of one attribute of sessions, or of all whose names begin alike.
type Attribute struct {
	// Its key in a session. A name that ends in * is for all keys with that beginning; a whole name wins over a
	// beginning, and a longer beginning over a shorter one. Keys that login depends on (_auth_user…, _crossfade…, the
	// CSRF token, logins in progress) need no entry.
	Name string `yaml:"name"`
	// The team or module that answers for it. What is refused, expired or dropped is counted by it, as
	// crossfade_session_attributes_total.
	Owner string `yaml:"owner"`
	// What its values are: any, string, number, boolean, object or array. null is of every type. A write of
	// another type is refused. Default any.
	Type string `yaml:"type"`
	// How large one value may be. A larger write is refused. Default 0: as much as session.limits leaves.
	MaxBytes Size `yaml:"max_bytes"`
	// How long it lives after its last write. Then no read shows it, and sweeping removes it. Default 0s: as
	// long as the session.
	Retention Duration `yaml:"retention"`
	// Whether it is about a person. Exports mark it, and it is treated as personal wherever keys are reported.
	// Default no.
	Personal bool `yaml:"personal"`
	// What becomes of it when a session crosses between the systems: move, stay (it belongs to legacy and
	// remains there) or drop. Default move.
	Legacy string `yaml:"legacy"`
	// Its key on the legacy side, where that is another one. For a name with *, a beginning with * too. Default:
	// the same.
	LegacyName string `yaml:"legacy_name"`
	// What becomes of it when a guest logs in and the user has one as well: keep_user, keep_guest, union (of arrays, and
	// of objects member by member; of what both have the user's stays, and what finds no room within
	// max_bytes is dropped and counted) or last_writer. Where only one of them has it, that stays.
	// Default keep_user.
	Merge string `yaml:"merge"`
	// Names of the clients that may write and delete it through the session API. Default: all that may write
	// the session.
	Writers []string `yaml:"writers"`
}

func validateAttributes(k *check, all []Attribute) {
	seen := map[string]bool{}
	for i, a := range all {
		path := item("session.attributes", i)
		if k.needs(join(path, "name"), a.Name, "write its key, or the beginning of several followed by *") {
			k.attributeName(join(path, "name"), a.Name)
		}
		if seen[a.Name] {
			k.fail(join(path, "name"), "keep one of the two", "%q is given twice", a.Name)
		}
		seen[a.Name] = true
		if k.needs(join(path, "owner"), a.Owner, "name the team or module that answers for it") && !plainName(a.Owner) {
			k.fail(join(path, "owner"), "use small letters, digits and dashes", "%q is not a name", a.Owner)
		}
		k.oneOf(join(path, "type"), a.Type, "any", "string", "number", "boolean", "object", "array")
		k.oneOf(join(path, "legacy"), a.Legacy, "move", "stay", "drop")
		k.oneOf(join(path, "merge"), a.Merge, "keep_user", "keep_guest", "union", "last_writer")
		if a.Merge == "union" && a.Type != "array" && a.Type != "object" {
			k.fail(join(path, "merge"), "say type: array or type: object", "only arrays and objects have a union")
		}
		if a.Retention != 0 {
			k.within(join(path, "retention"), a.Retention, seconds(1), 400*Day)
		}
		if a.MaxBytes > Size(k.config.Session.Limits.TotalBytes) {
			k.fail(join(path, "max_bytes"), "lower it, or raise session.limits.total_bytes", "is more than a session may hold")
		}
		a.validateLegacy(k, path)
		for j, w := range a.Writers {
			k.writer(item(join(path, "writers"), j), w)
		}
	}
}

func (k *check) attributeName(path, name string) {
	if body := strings.TrimSuffix(name, "*"); body == "" || strings.Contains(body, "*") {
		k.fail(path, "write its key, or the beginning of several followed by *", "%q is not a name", name)
	}
}

func (a *Attribute) validateLegacy(k *check, path string) {
	if a.LegacyName == "" {
		return
	}
	at := join(path, "legacy_name")
	k.attributeName(at, a.LegacyName)
	if strings.HasSuffix(a.Name, "*") != strings.HasSuffix(a.LegacyName, "*") {
		k.fail(at, `a whole name goes with a whole name, "new_*" with "old_*"`, "does not fit the name %q", a.Name)
	}
}

func (k *check) writer(path, name string) {
	var known []string
	for _, c := range k.config.Clients {
		if c.Name == name {
			return
		}
		known = append(known, c.Name)
	}
	k.fail(path, suggest(name, known), "%q is not one of the clients", name)
}
