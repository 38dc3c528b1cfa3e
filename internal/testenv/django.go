package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// DjangoProject says which Django project to run, and how.
type DjangoProject struct {
	Dir string // the folder with manage.py, relative to the checkout or absolute
	// InPlace runs the project where it is instead of a copy: for one that reads files beside its folder.
	// It must then be told by Env where to write.
	InPlace bool
	// Version of Django, [Django52] or [Django42]; empty: 5.2.
	Version string
	// WSGI or ASGI names the application ("shop.wsgi", "shop.asgi"), to be served by gunicorn with two
	// workers of four threads, or by uvicorn. Both empty: manage.py runserver, one process with threads.
	WSGI, ASGI string
	// Settings is the settings module; empty: what manage.py sets.
	Settings string
	// Env is added to the environment, "NAME=value".
	Env []string
	// Ready is a path that answers below 500 once the site is up; empty: "/".
	Ready string
	// Fixtures are loaded after the migrations (manage.py loaddata).
	Fixtures []string
	// Port to serve on; 0: a leased one.
	Port int
}

// Site is a Django project that is being served.
type Site struct {
	*Process
	URL    string // http://127.0.0.1:port, no slash at the end
	Port   int
	Dir    string // where it runs: the copy, unless InPlace
	Python string

	env []string
}

// Django copies a project into the test's temporary folder, so that whatever it writes beside its code
// (an SQLite file, uploads) is the test's own (see InPlace), migrates its database, serves it on a loopback port and
// waits until it answers.
func Django(t testing.TB, project DjangoProject) *Site {
	t.Helper()
	s := prepareDjango(t, project)
	s.Process = Start(t, Command{
		Name: "django " + filepath.Base(project.Dir), Path: s.Python, Dir: s.Dir, Env: s.env,
		Args:  serveArguments(project, s.Port),
		Ready: HTTPReady(s.URL + "/" + strings.TrimPrefix(project.Ready, "/")),
	})
	return s
}

func prepareDjango(t testing.TB, project DjangoProject) *Site {
	t.Helper()
	if project.Version == "" {
		project.Version = Django52
	}
	source := project.Dir
	if !filepath.IsAbs(source) {
		source = filepath.Join(Root(t), source)
	}
	if _, err := os.Stat(filepath.Join(source, "manage.py")); err != nil {
		t.Fatalf("testenv: %s has no manage.py: Dir must name a Django project", source)
	}
	dir := source
	if !project.InPlace {
		dir = filepath.Join(t.TempDir(), filepath.Base(source))
		must(t, os.CopyFS(dir, os.DirFS(source)))
	}
	port := project.Port
	if port == 0 {
		port = Port(t)
	}
	s := &Site{URL: "http://127.0.0.1:" + strconv.Itoa(port), Port: port, Dir: dir, Python: Venv(t, project.Version)}
	s.env = append([]string{"PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"}, project.Env...)
	if project.Settings != "" {
		s.env = append(s.env, "DJANGO_SETTINGS_MODULE="+project.Settings)
	}
	s.Manage(t, "migrate", "--verbosity", "0")
	if len(project.Fixtures) > 0 {
		s.Manage(t, append([]string{"loaddata", "--verbosity", "0"}, project.Fixtures...)...)
	}
	return s
}

// serveArguments are the interpreter's arguments for the server that the project asks for.
func serveArguments(project DjangoProject, port int) []string {
	address := fmt.Sprintf("127.0.0.1:%d", port)
	switch {
	case project.WSGI != "":
		return []string{"-m", "gunicorn", "--bind", address, "--workers", "2", "--threads", "4",
			"--worker-tmp-dir", os.TempDir(), "--graceful-timeout", "5", "--access-logfile", "-", project.WSGI}
	case project.ASGI != "":
		return []string{"-m", "uvicorn", "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--lifespan", "off", project.ASGI}
	}
	return []string{"manage.py", "runserver", "--noreload", address}
}

// Manage runs a management command in the project's environment and returns what it printed. A failing
// command fails the test.
func (s *Site) Manage(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command(s.Python, append([]string{"manage.py"}, args...)...)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), s.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("testenv: manage.py %v in %s: %v\n%s", args, s.Dir, err, out)
	}
	return string(out)
}
