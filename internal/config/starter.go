package config

import (
	_ "embed" // the template of the starter
	"net/url"
	"strings"
	"text/template"

	"crossfade.dev/crossfade/internal/fault"
)

//go:embed starter.yaml.tmpl
var starterTemplate string

// Starter is what a first configuration is made from.
type Starter struct {
	Upstream string // address of the legacy application
	Public   string // address that browsers will use
}

// StarterSecrets are the files, beside the configuration, that a starter refers to.
func StarterSecrets() []string {
	return []string{"secrets/key-1", "secrets/bridge-1", "secrets/django", "secrets/admin.token"}
}

// Write makes the text of a commented configuration, and refuses addresses that it could not start with.
func (s Starter) Write() (string, error) {
	data := struct {
		Starter
		Listen string
	}{Starter: s, Listen: "127.0.0.1:8080"}
	if u, err := url.Parse(s.Public); err == nil && localName(u.Hostname()) && u.Port() != "" {
		data.Listen = "127.0.0.1:" + u.Port()
	}
	var b strings.Builder
	if err := template.Must(template.New("starter").Parse(starterTemplate)).Execute(&b, data); err != nil {
		return "", fault.Wrap(err, fault.Internal, "cannot write the starter")
	}
	if _, err := Parse("the starter", []byte(b.String())); err != nil {
		return "", err
	}
	return b.String(), nil
}
