package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Supported Django versions: the newest long-term release, and the oldest that the package supports.
const (
	Django52 = "5.2"
	Django42 = "4.2"
)

// Venv is the Python interpreter of the environment that "make setup" made for a Django version.
func Venv(t testing.TB, django string) (python string) {
	t.Helper()
	folder, ok := map[string]string{Django52: "venv", Django42: "venv42"}[django]
	if !ok {
		t.Fatalf("testenv: no environment for Django %q: there are %q and %q", django, Django52, Django42)
	}
	python = filepath.Join(buildDir(t), folder, "bin", "python")
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("testenv: no Python environment for Django %s (%s): run \"make setup\"", django, python)
	}
	return python
}

// Chromium is the browser's path: what CHROMIUM names, else what is installed.
func Chromium(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("CHROMIUM"); path != "" {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("testenv: CHROMIUM=%s is not there: unset it, or let it name a Chromium or Chrome", path)
		}
		return path
	}
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("testenv: no browser (looked for %s): run \"make setup\" as root, or let CHROMIUM name one",
		strings.Join(names, ", "))
	return ""
}
