package app

import (
	"os"
	"strings"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy/mapping"
	"crossfade.dev/crossfade/session/registry"
)

// mappingOf makes the mapping of what the attributes' registry says, and of the file for keys that it does
// not have. With neither every key moves that can.
func mappingOf(cfg *config.Config) (*mapping.Mapping, error) {
	f, err := readMapping(cfg.Legacy.Mapping.File)
	if err != nil {
		return nil, err
	}
	keys := map[string]mapping.Rule{}
	for key, rule := range f.Keys {
		keys[key] = rule
	}
	for _, a := range cfg.Session.Attributes {
		key, rule := crossing(a)
		if a.LegacyName == "" && rule.Action == mapping.Move && mapping.Always(strings.TrimSuffix(a.Name, "*")) {
			continue // it would, without a rule
		}
		if _, twice := keys[key]; twice {
			return nil, fault.New(fault.Invalid, "key %q has a rule in the mapping %s and one in session.attributes", key, cfg.Legacy.Mapping.File).
				WithHint("take it out of the mapping: action is called legacy there, target is the name, and key the legacy_name")
		}
		keys[key] = rule
	}
	f.Keys = keys
	f.Strict = f.Strict || cfg.Session.Unregistered == string(registry.Refuse)
	return mapping.New(f)
}

// crossing says in the mapping's words how a registered attribute crosses.
func crossing(a config.Attribute) (key string, r mapping.Rule) {
	r = mapping.Rule{Owner: a.Owner, Action: mapping.Action(a.Legacy)}
	if r.Action == "" {
		r.Action = mapping.Move
	}
	if a.Personal {
		r.Sensitivity = mapping.Personal
	}
	if a.LegacyName == "" || a.LegacyName == a.Name {
		return a.Name, r
	}
	if r.Action == mapping.Move {
		r.Target = a.Name
	}
	return a.LegacyName, r
}

func readMapping(file string) (mapping.File, error) {
	if file == "" {
		return mapping.File{}, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return mapping.File{}, fault.Wrap(err, fault.Invalid, "cannot read the mapping %s", file).
			WithHint("legacy.mapping.file names it; leave that out to move every key")
	}
	return mapping.Read(text)
}

// registryOf makes the registry of attributes. Clients are named there as the session API knows them.
func (a *App) registryOf(cfg *config.Config) (*registry.Registry, error) {
	out := registry.Config{
		Unregistered: registry.Unregistered(cfg.Session.Unregistered), Exempt: mapping.Always, Observe: a.telemetry.Metrics.Attributes,
	}
	for _, at := range cfg.Session.Attributes {
		rule := registry.Rule{
			Name: at.Name, Owner: at.Owner, Type: registry.Type(at.Type), MaxBytes: int(at.MaxBytes), Retention: at.Retention.D(),
			Personal: at.Personal, Merge: registry.Merge(at.Merge),
		}
		for _, w := range at.Writers {
			rule.Writers = append(rule.Writers, audience(cfg, w))
		}
		out.Rules = append(out.Rules, rule)
	}
	return registry.New(out)
}
