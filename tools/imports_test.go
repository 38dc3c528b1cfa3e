package tools_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/testenv"
)

// plane is a folder at the root that holds one part of the product.
type plane struct {
	may []string // planes whose root package it may import
	why string   // what the limit protects
}

var planes = map[string]plane{
	"edge": {may: []string{"session", "legacy", "rollout"},
		why: "the edge decides and forwards; what it knows of the control plane is the snapshot, so that it serves on when control is gone"},
	"session": {
		why: "sessions outlive the migration: they must work without an edge, a legacy system or a rollout"},
	"legacy": {may: []string{"session"},
		why: "a bridge speaks of sessions and of nothing else, so that the next framework is one more folder"},
	"rollout": {
		why: "deciding is arithmetic on a snapshot; with nothing to call it can be tested over its whole input space"},
	"control": {may: []string{"rollout"},
		why: "control publishes snapshots and is never on a request's way; it must not touch sessions or the edge"},
	"client": {
		why: "others import it: whatever it drags in, they drag in"},
	"cmd": {may: []string{"client"},
		why: "a command turns arguments into calls: of internal/app for serve, of the API for everything else"},
}

// roles are the packages with rules of their own, by longest prefix.
var roles = []struct {
	path string
	by   []string // who may import it; prefixes, with a slash at the end for a whole folder
	why  string
}{
	{"internal/app", []string{"cmd/", "test/", "bench/"},
		"the composition root sees everything, so whoever imports it sees everything"},
	{"internal/testenv", []string{"test/", "bench/", "tools"},
		"it starts processes and browsers for tests; the product never does"},
	{"internal/config", []string{"internal/app", "cmd/", "test/", "bench/"},
		"a plane is told what it needs by its own Config, so that it can be built without a file"},
	{"client/browser", []string{"edge", "internal/app", "test/"},
		"it is a script for the edge to serve"},
	{"cmd", []string{"cmd/"},
		"a command is where imports end"},
	{"test", []string{"test/"}, "tests are no part of the product"},
	{"bench", []string{"bench/"}, "measurements are no part of the product"},
	{"examples", []string{"examples/", "test/"}, "examples are read by people and imported by nobody"},
	{"tools", []string{"tools"}, "the yard is no part of the product"},
}

// wire are the places where API messages are made and read.
var wire = []string{"session/sessionapi", "control/controlapi", "client", "cmd/", "internal/app", "internal/rpcfault", "proto/", "test/", "bench/"}

// pure may not reach a clock, randomness, disk or network.
var pure = map[string]string{
	"edge/handover": "the decision is tested over its whole input space, which only a function without I/O allows",
	"rollout":       "an edge decides on every request, under no lock and with nothing that can fail",
}

var impure = []string{"net", "net/http", "os", "os/exec", "database/sql", "math/rand", "math/rand/v2", "crypto/rand", "io/fs"}

// violation says what is wrong with one package importing another (both from the module's root), or "".
func violation(from, to string) string {
	if why, ok := pure[from]; ok && slices.Contains(impure, to) {
		return why
	}
	to, ours := strings.CutPrefix(to, module+"/")
	if !ours {
		return ""
	}
	for _, role := range roles {
		if within(to, role.path) {
			if importer(from, role.by) {
				return ""
			}
			return role.why
		}
	}
	if within(to, "proto") {
		if importer(from, wire) {
			return ""
		}
		return "API messages stay at the wire: nouns are not to change when a message does"
	}
	return acrossPlanes(from, to)
}

func acrossPlanes(from, to string) string {
	source, _, _ := strings.Cut(from, "/")
	target, below, _ := strings.Cut(to, "/")
	_, targetIsPlane := planes[target]
	if source == target || !targetIsPlane {
		return ""
	}
	if source == "test" || source == "bench" || from == "internal/app" || strings.HasPrefix(from, "internal/app/") {
		return ""
	}
	if below != "" && target != "client" {
		return fmt.Sprintf("what lies below %s is its mechanism: import its root, and let internal/app connect the two", target)
	}
	if limit, ok := planes[source]; ok && !slices.Contains(limit.may, target) {
		return limit.why
	}
	if source == "examples" && target != "client" {
		return "an example imports what its reader could: the client library"
	}
	return ""
}

func within(pkg, path string) bool { return pkg == path || strings.HasPrefix(pkg, path+"/") }

func importer(from string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return within(from, strings.TrimSuffix(prefix, "/"))
	})
}

// TestImports reads the imports of every file that is built into the product. Test files are free: a test
// puts planes together, as the composition root does.
func TestImports(t *testing.T) {
	set := token.NewFileSet()
	for _, name := range filesWith(t, ".go") {
		if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/testdata/") {
			continue
		}
		file, err := parser.ParseFile(set, filepath.Join(testenv.Root(t), name), nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, spec := range file.Imports {
			to := strings.Trim(spec.Path.Value, `"`)
			if why := violation(folder(name), to); why != "" {
				t.Errorf("%s must not import %s, because %s", name, strings.TrimPrefix(to, module+"/"), why)
			}
		}
	}
}

// TestImportRule holds the rule itself to ARCHITECTURE.md: a check that allows everything finds nothing.
func TestImportRule(t *testing.T) {
	forbidden := [][2]string{
		{"session", "edge"}, {"session", "legacy"}, {"session", "rollout"}, {"session/sqlstore", "control"},
		{"edge", "control"}, {"edge", "session/sqlstore"}, {"edge", "legacy/httpbridge"}, {"edge", "internal/app"},
		{"edge", "internal/config"}, {"edge/handover", "control"}, {"rollout", "session"}, {"rollout", "control"},
		{"control", "session"}, {"control", "edge"}, {"legacy", "edge"}, {"legacy/httpbridge", "rollout"},
		{"legacy/httpbridge", "session/sqlstore"}, {"client", "session"}, {"client", "edge"}, {"session", "proto/gen/x/v1"},
		{"edge", "proto/gen/x/v1"}, {"examples/shop", "session"}, {"internal/telemetry", "session/sqlstore"},
		{"edge", "internal/testenv"}, {"session", "cmd/crossfade/command"}, {"cmd/crossfade", "session"},
	}
	allowed := [][2]string{
		{"edge", "session"}, {"edge", "legacy"}, {"edge", "rollout"}, {"edge", "edge/handover"}, {"legacy", "session"},
		{"legacy/httpbridge", "legacy"}, {"control", "rollout"}, {"control", "control/changelog"}, {"session/sqlstore", "session"},
		{"session/sessionapi", "proto/gen/x/v1"}, {"control/controlapi", "proto/gen/x/v1"}, {"client", "proto/gen/x/v1"},
		{"internal/app", "session/sqlstore"}, {"internal/app", "client/browser"}, {"cmd/crossfade", "internal/app"},
		{"edge", "internal/fault"}, {"rollout", "internal/keyring"}, {"internal/config", "rollout"}, {"edge", "client/browser"},
		{"test/e2e", "session/sqlstore"}, {"bench/edge", "internal/app"}, {"examples/shop", "client"}, {"edge", "edgecase"},
	}
	for _, edge := range forbidden {
		if violation(edge[0], module+"/"+edge[1]) == "" {
			t.Errorf("%s may import %s, and should not", edge[0], edge[1])
		}
	}
	for _, edge := range allowed {
		if why := violation(edge[0], module+"/"+edge[1]); why != "" {
			t.Errorf("%s may not import %s, and should: %s", edge[0], edge[1], why)
		}
	}
	if violation("edge/handover", "net/http") == "" || violation("edge", "net/http") != "" {
		t.Error("purity is asked of the wrong package")
	}
}
