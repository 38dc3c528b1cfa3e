package config_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
)

var update = flag.Bool("update", false, "write the reference page")

const referencePage = "../../docs/reference/configuration.md"

func TestReference(t *testing.T) {
	root, err := config.Explain("")
	if err != nil {
		t.Fatal(err)
	}
	want := reference(root)
	if *update {
		if err := os.MkdirAll("../../docs/reference", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(referencePage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referencePage)
	if err != nil || string(got) != want {
		t.Errorf("docs/reference/configuration.md does not say what the code says (%v): run go test ./internal/config -run Reference -update", err)
	}
}

func reference(root config.Topic) string {
	var b strings.Builder
	b.WriteString("# Configuration\n\n<!-- Generated from internal/config: go test ./internal/config -run Reference -update -->\n\n")
	b.WriteString(root.Doc + "\n\n`crossfade config explain <path>` prints the same text; `crossfade config check` tries a file.\n" +
		"`crossfade init` writes a commented one to begin with.\n")
	for _, section := range root.Fields {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", section.Path, section.Doc)
		rows(&b, section.Fields)
	}
	return b.String()
}

func rows(b *strings.Builder, fields []config.Topic) {
	for _, f := range fields {
		fmt.Fprintf(b, "\n### `%s`\n\n*%s", f.Path, f.Kind)
		if f.Default != "" {
			fmt.Fprintf(b, ", default `%s`", f.Default)
		}
		fmt.Fprintf(b, "*\n\n%s\n", f.Doc)
		rows(b, f.Fields)
	}
}

func TestExplain(t *testing.T) {
	t.Run("every field has its paragraph", func(t *testing.T) {
		root, err := config.Explain("")
		if err != nil {
			t.Fatal(err)
		}
		var walk func(config.Topic)
		walk = func(topic config.Topic) {
			if !strings.HasSuffix(topic.Doc, ".") {
				t.Errorf("%s has no paragraph: %q", topic.Path, topic.Doc)
			}
			for _, f := range topic.Fields {
				walk(f)
			}
		}
		walk(root)
	})
	for path, want := range map[string]string{
		"legacy.bridge.timeout": "legacy.bridge.timeout", "routes[2].new": "routes[].new", "routes.new": "routes[].new",
		"upstreams.django.url": "upstreams.<name>.url", "upstreams.url": "upstreams.<name>.url", "keys[0].file": "keys[].file",
	} {
		t.Run(path, func(t *testing.T) {
			topic, err := config.Explain(path)
			if err != nil || topic.Path != want {
				t.Errorf("%q, %v; want %q", topic.Path, err, want)
			}
		})
	}
	t.Run("a slip gets a suggestion", func(t *testing.T) {
		_, err := config.Explain("session.ilde")
		if _, hint := fault.Public(err); hint != `did you mean "session.idle"?` {
			t.Error(hint)
		}
	})
}
