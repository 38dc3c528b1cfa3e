package tools_test

import (
	"context"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"crossfade.dev/crossfade/internal/testenv"
)

// TestDocumentedCommands takes every "crossfade …" and "make …" that the docs tell people to type, in
// blocks of a shell, in indented ones and in `…`, and asks the program and the Makefile whether it exists,
// flags included.
func TestDocumentedCommands(t *testing.T) {
	program := &helpTree{path: testenv.Binary(t), pages: map[string]helpPage{}}
	targets := makeTargets(read(t, "Makefile"))
	found := 0
	for _, page := range filesWith(t, ".md") {
		if page == "CHANGELOG.md" { // speaks of commands that were
			continue
		}
		for _, command := range documentedCommands(read(t, page)) {
			found++
			if complaint := judge(t, command, program, targets); complaint != "" {
				t.Errorf("%s: %q: %s", page, strings.Join(command, " "), complaint)
			}
		}
	}
	if found == 0 {
		t.Error("the docs name no command at all: is the search still right?")
	}
}

// TestLinkedFiles follows the relative links of the docs.
func TestLinkedFiles(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s#]+)(#[^)\s]*)?\)`)
	known := files(t)
	for _, page := range filesWith(t, ".md") {
		for _, match := range link.FindAllStringSubmatch(read(t, page), -1) {
			target := match[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file := path.Join(folder(page), target)
			isFolder := slices.ContainsFunc(known, func(name string) bool { return strings.HasPrefix(name, file+"/") })
			if !isFolder && !slices.Contains(known, file) {
				t.Errorf("%s links to %s, which does not exist", page, file)
			}
		}
	}
}

var (
	anyBlock   = regexp.MustCompile("(?ms)^[ \t]*(```|~~~)[ \t]*([a-z-]*)[^\n]*\n(.*?)^[ \t]*(?:```|~~~)[ \t]*$")
	indented   = regexp.MustCompile(`(?m)^(?: {4}|\t)[ \t]*(\S.*)$`)
	inlineCode = regexp.MustCompile("`([^`\n]+(?:\n[^`\n]+)?)`") // it may go over the end of a line
	prompt     = regexp.MustCompile(`(?m)^[ \t]*\$ (.*)$`)
	separator  = regexp.MustCompile(`&&|\|\||;|\|`)
	assignment = regexp.MustCompile(`^[A-Z_]+=`)
	quotation  = regexp.MustCompile(`"[^"]*"|'[^']*'`)
)

// shells are the languages of blocks that hold commands.
var shells = []string{"sh", "bash", "zsh", "shell", "console", "shell-session"}

// transcripts are those that show output too.
var transcripts = map[string]bool{"console": true, "shell-session": true}

// typedLines are the lines of a page that somebody might type, and some that nobody would.
func typedLines(page string) (lines []string) {
	for _, block := range anyBlock.FindAllStringSubmatch(page, -1) {
		language, text := block[2], strings.ReplaceAll(block[3], "\\\n", " ")
		switch {
		case !slices.Contains(shells, language):
		case transcripts[language] && prompt.MatchString(text): // what has no prompt is output
			for _, line := range prompt.FindAllStringSubmatch(text, -1) {
				lines = append(lines, line[1])
			}
		default:
			lines = append(lines, strings.Split(text, "\n")...)
		}
	}
	prose := anyBlock.ReplaceAllString(page, "")
	for _, line := range indented.FindAllStringSubmatch(strings.ReplaceAll(prose, "\\\n", " "), -1) {
		lines = append(lines, line[1])
	}
	for _, span := range inlineCode.FindAllStringSubmatch(prose, -1) {
		lines = append(lines, strings.ReplaceAll(span[1], "\n", " "))
	}
	return lines
}

// documentedCommands are the commands of a page as words, "crossfade" or "make" first.
func documentedCommands(page string) [][]string {
	var commands [][]string
	for _, line := range typedLines(page) {
		line, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "$ "), " #")
		line = quotation.ReplaceAllString(line, "TEXT")
		for _, part := range separator.Split(line, -1) {
			words := strings.Fields(part)
			for len(words) > 0 && (assignment.MatchString(words[0]) || words[0] == "sudo") {
				words = words[1:]
			}
			if len(words) == 0 {
				continue
			}
			words[0] = path.Base(words[0]) // .build/crossfade
			if len(words) > 1 && (words[0] == "crossfade" || words[0] == "make") {
				commands = append(commands, words)
			}
		}
	}
	return commands
}

// judge says what is wrong with a command, or "".
func judge(t *testing.T, words []string, program *helpTree, targets map[string]bool) string {
	t.Helper()
	if words[0] == "crossfade" {
		return program.judge(t, words[1:])
	}
	for _, word := range words[1:] {
		if name := strings.Trim(word, `"',.`); !strings.HasPrefix(name, "-") && !strings.Contains(name, "=") && !placeholder(name) && !targets[name] {
			return "the Makefile has no target " + name
		}
	}
	return ""
}

// placeholder reports whether a word stands for others.
func placeholder(word string) bool {
	return strings.ContainsAny(word, "<>[]…{}|$") || strings.Contains(word, "...") || word == strings.ToUpper(word)
}

func makeTargets(makefile string) map[string]bool {
	targets := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(makefile, -1) {
		targets[match[1]] = true
	}
	return targets
}

// helpTree is the program's commands, read from its help as somebody at the keyboard would.
type helpTree struct {
	path  string
	pages map[string]helpPage
}

type helpPage struct {
	commands, flags map[string]bool
	arguments       bool // it takes some itself, e.g. "crossfade kill NAME"
}

var (
	commandSection = regexp.MustCompile(`(?s)Commands:\n(.*?)(\n\n|\z)`)
	commandLine    = regexp.MustCompile(`(?m)^  ([a-z][a-z0-9-]*)\s`)
	usageArgument  = regexp.MustCompile(`(?m)^  crossfade [a-z -]*[A-Z]{2,}`)
	flagName       = regexp.MustCompile(`(?m)^\s+(?:(-\w), )?(--[a-z][a-z0-9-]*)`)
)

func (h *helpTree) page(t *testing.T, at []string) helpPage {
	t.Helper()
	key := strings.Join(at, " ")
	if page, ok := h.pages[key]; ok {
		return page
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, h.path, append(slices.Clone(at), "--help")...).CombinedOutput()
	if err != nil {
		t.Fatalf("crossfade %s --help: %v\n%s", key, err, out)
	}
	page := helpPage{commands: map[string]bool{}, flags: map[string]bool{"--help": true, "-h": true}}
	for _, section := range commandSection.FindAllStringSubmatch(string(out), -1) {
		for _, line := range commandLine.FindAllStringSubmatch(section[1], -1) {
			page.commands[line[1]] = true
		}
	}
	page.arguments = usageArgument.Match(out)
	for _, flag := range flagName.FindAllStringSubmatch(string(out), -1) {
		page.flags[flag[1]], page.flags[flag[2]] = true, true
	}
	h.pages[key] = page
	return page
}

// judge walks down the command tree as far as the words name commands, then looks at the flags.
func (h *helpTree) judge(t *testing.T, words []string) string {
	t.Helper()
	var at []string
	for _, word := range words {
		page := h.page(t, at)
		if len(page.commands) == 0 || strings.HasPrefix(word, "-") || placeholder(word) {
			break
		}
		if !page.commands[word] && page.arguments {
			break
		}
		if !page.commands[word] {
			return "no such command: crossfade " + strings.Join(append(at, word), " ")
		}
		at = append(at, word)
	}
	known := h.page(t, at).flags
	for _, word := range words {
		flag, _, _ := strings.Cut(strings.TrimRight(word, ".,"), "=")
		if strings.HasPrefix(flag, "-") && flag != "-" && flag != "--" && !placeholder(flag) && !known[flag] {
			return "crossfade " + strings.Join(at, " ") + " has no flag " + flag
		}
	}
	return ""
}

func TestDocumentedCommandsRule(t *testing.T) {
	page := "Type `crossfade rollout start sessions` or `sudo make demo`.\n" +
		"```sh\n$ cd shop && CI=1 .build/crossfade serve \\\n  --config 'a; make x' # starts\nmake test-go FUZZ=x\n```\n" +
		"```go\ncrossfade.Decide(x)\n```\n" +
		"```console\n$ crossfade kill sessions --reason \"slow\"\ncrossfade is output\n```\n" +
		"~~~shell\ncrossfade magic list\n~~~\n" +
		"Then:\n\n    make story    # hands off\n\nand `crossfade kill lift\nsessions`, or `kill lift`.\n"
	got := []string{}
	for _, words := range documentedCommands(page) {
		got = append(got, strings.Join(words, " "))
	}
	want := []string{"crossfade serve --config TEXT", "make test-go FUZZ=x", "crossfade kill sessions --reason TEXT",
		"crossfade magic list", "make story", "crossfade rollout start sessions", "make demo", "crossfade kill lift sessions"}
	if !slices.Equal(got, want) {
		t.Errorf("commands found: %q", got)
	}

	program := &helpTree{pages: map[string]helpPage{
		"":              {commands: map[string]bool{"rollout": true, "kill": true}, flags: map[string]bool{}},
		"kill":          {commands: map[string]bool{"lift": true}, arguments: true},
		"rollout":       {commands: map[string]bool{"start": true}, flags: map[string]bool{}},
		"rollout start": {flags: map[string]bool{"--reason": true}},
	}}
	targets := makeTargets("demo: build ## x\n.PHONY: test\n")
	for command, fine := range map[string]bool{
		"crossfade rollout start sessions":            true,
		"crossfade rollout start sessions --reason=x": true,
		"crossfade rollout …":                         true,
		"crossfade rollout NAME":                      true,
		"crossfade rollout begin":                     false,
		"crossfade rollout start sessions --why x":    false,
		"crossfade role":                              false,
		"crossfade kill sessions":                     true,
		"make demo":                                   true,
		"make demonstration":                          false,
	} {
		if complaint := judge(t, strings.Fields(command), program, targets); (complaint == "") != fine {
			t.Errorf("%q: %q", command, complaint)
		}
	}
}
