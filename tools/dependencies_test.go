package tools_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDependencies wants a reason for every module that go.mod requires directly: whoever adds one says
// in ARCHITECTURE.md why it and not our own.
func TestDependencies(t *testing.T) {
	reasons := dependencyTable(read(t, "ARCHITECTURE.md"))
	if len(reasons) == 0 {
		t.Fatal("ARCHITECTURE.md has no table under Dependencies: is the search still right?")
	}
	for _, dependency := range directDependencies(read(t, "go.mod")) {
		if !explained(dependency, reasons) {
			t.Errorf("go.mod requires %s: give it a line, with the reason, under Dependencies in ARCHITECTURE.md", dependency)
		}
	}
}

var requirement = regexp.MustCompile(`(?m)^(?:require )?\s*([a-z0-9.-]+\.[a-z]+/\S+) v\S+(.*)$`)

// directDependencies are the modules of a go.mod that are not marked indirect.
func directDependencies(mod string) []string {
	var out []string
	for _, match := range requirement.FindAllStringSubmatch(mod, -1) {
		if !strings.Contains(match[2], "// indirect") {
			out = append(out, match[1])
		}
	}
	return out
}

// dependencyTable are the first cells of the table under the heading Dependencies, as lists of modules.
// "x/sys" is short for the module of the same cell's host, "its …" for one below the module before it.
func dependencyTable(page string) [][]string {
	_, section, _ := strings.Cut(page, "\n## Dependencies\n")
	var out [][]string
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && !strings.Contains(cells[1], "---") {
			out = append(out, strings.Split(strings.TrimSpace(cells[1]), ", "))
		}
	}
	return out
}

// explained reports whether a cell names the module, one that it lies below, or its last words.
func explained(dependency string, cells [][]string) bool {
	return slices.ContainsFunc(cells, func(names []string) bool {
		host, _, _ := strings.Cut(names[0], "/")
		return slices.ContainsFunc(names, func(name string) bool {
			return within(dependency, name) || strings.HasPrefix(dependency, host+"/") && strings.HasSuffix(dependency, "/"+name)
		})
	})
}

func TestDependenciesRule(t *testing.T) {
	mod := "module a.dev/b\n\nrequire c.dev/d v1.0.0\nrequire (\n\tgolang.org/x/sys v1\n\tgithub.com/e/f/v2 v2.0.1\n\tg.io/h v0.1.0 // indirect\n)\nreplace i.com/j => k.com/l v1.0.0\n"
	if got := directDependencies(mod); !slices.Equal(got, []string{"c.dev/d", "golang.org/x/sys", "github.com/e/f/v2"}) {
		t.Errorf("direct: %q", got)
	}
	table := dependencyTable("# A\n\n## Dependencies\n\n| module | why |\n|---|---|\n| c.dev/d | x |\n| golang.org/x/sync, x/sys | y |\n")
	for dependency, fine := range map[string]bool{"c.dev/d": true, "c.dev/d/e": true, "golang.org/x/sys": true, "github.com/e/f/v2": false, "c.dev/dd": false} {
		if explained(dependency, table) != fine {
			t.Errorf("%s: %v", dependency, !fine)
		}
	}
}
