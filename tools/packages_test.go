package tools_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"crossfade.dev/crossfade/internal/testenv"
)

// TestPackageSentences asks every package for the sentence that says what it is, in exactly one of its
// files: of two one is forgotten when the package changes.
func TestPackageSentences(t *testing.T) {
	for dir, docs := range packageDocs(t) {
		switch len(docs) {
		case 0:
			t.Errorf("%s: no file says what the package is: begin one with \"// Package … is …\"", dir)
		case 1:
			if complaint := judgeDoc(docs[0]); complaint != "" {
				t.Errorf("%s: %s", dir, complaint)
			}
		default:
			t.Errorf("%s: %d files say what the package is: keep one", dir, len(docs))
		}
	}
}

// packageDoc is a package comment and the name of the package that it stands on.
type packageDoc struct{ name, text string }

// packageDocs are the package comments by folder. Test files count where there is nothing else.
func packageDocs(t *testing.T) map[string][]packageDoc {
	t.Helper()
	product, tests := map[string][]packageDoc{}, map[string][]packageDoc{}
	set := token.NewFileSet()
	for _, name := range filesWith(t, ".go") {
		if strings.Contains(name, "/testdata/") {
			continue
		}
		file, err := parser.ParseFile(set, filepath.Join(testenv.Root(t), name), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		into := product
		if strings.HasSuffix(name, "_test.go") {
			into = tests
		}
		into[folder(name)] = append(into[folder(name)], docOf(file)...)
	}
	for dir, docs := range tests {
		if _, ok := product[dir]; !ok {
			product[dir] = docs
		}
	}
	return product
}

func docOf(file *ast.File) []packageDoc {
	if file.Doc == nil || file.Doc.Text() == "" {
		return nil
	}
	return []packageDoc{{name: file.Name.Name, text: file.Doc.Text()}}
}

var licence = regexp.MustCompile(`(?i)\b(copyright|licen[cs]ed under|all rights reserved)\b`)

// judgeDoc complains about a package comment, or returns "".
func judgeDoc(doc packageDoc) string {
	sentence, _, _ := strings.Cut(strings.ReplaceAll(doc.text, "\n", " "), ". ")
	switch {
	case licence.MatchString(doc.text):
		return "the package comment is a licence: a blank line before the package clause keeps it from being one"
	case doc.name == "main" && !regexp.MustCompile(`^(Command |[A-Z]\w*)`).MatchString(doc.text):
		return `the comment of a program begins with its name, "Command … "`
	case doc.name != "main" && !strings.HasPrefix(doc.text, "Package "+doc.name+" "):
		return `the package comment must begin with "Package ` + doc.name + ` "`
	case len(strings.Fields(sentence)) < 5:
		return "the package comment says nothing: what is it, what does it protect, who calls it?"
	case !strings.Contains(doc.text, "."):
		return "the package comment has no sentence: it ends with a full stop"
	}
	return ""
}

func TestPackageSentenceRule(t *testing.T) {
	good := packageDoc{"edge", "Package edge is the one entry point that every request meets first.\n"}
	if complaint := judgeDoc(good); complaint != "" {
		t.Errorf("a good sentence: %s", complaint)
	}
	for _, bad := range []packageDoc{
		{"edge", "Copyright 2026 The Authors. All rights reserved, and so on and so forth.\n"},
		{"edge", "This package is the one entry point that every request meets.\n"},
		{"edge", "Package edge edge.\n"},
		{"edge", "Package edge is the one entry point that every request meets\n"},
		{"main", "starts the server and waits until it is told to stop.\n"},
	} {
		if judgeDoc(bad) == "" {
			t.Errorf("accepted: %q", bad.text)
		}
	}
}
