package testenv

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Postgres is a real PostgreSQL on a loopback port, with its data in a temporary folder. Its tables are on disk
// and written as in production, but for Fast.
type Postgres struct {
	*Process
	Port     int
	User     string // a superuser
	Password string
	CertFile string // of the server's certificate, which is valid for localhost

	databases atomic.Int64
}

// PostgresConfig bends a server. The zero value is as durable as the machine's disk.
type PostgresConfig struct {
	Fast     bool     // commits are not synced: several times faster, and lost with the machine, not with the process
	Settings []string // "name=value", as postgresql.conf would have them
}

// SharedPostgres is the server that the tests of a package share, each with databases of its own. The first
// test pays for it: about two seconds. [Main] stops it.
func SharedPostgres(t testing.TB) *Postgres {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.main == nil {
		t.Fatalf("testenv: the package shares a server, so its TestMain has to call testenv.Main")
	}
	if shared.postgres == nil {
		shared.postgres = StartPostgres(shared.main, PostgresConfig{Fast: true})
	}
	return shared.postgres
}

// StartPostgres starts a server of a test's own, to be killed, stopped, or set up otherwise.
func StartPostgres(t testing.TB, cfg PostgresConfig) *Postgres {
	t.Helper()
	bin := postgresBin(t)
	as := unprivileged(t)
	dir := ownedFolder(t, "crossfade-postgres-", as)
	// The certificate's key must be the server's own.
	p := &Postgres{Port: Port(t), User: "crossfade", Password: "testenv-postgres-password"}
	run(t, as, filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-N", "-U", p.User, "-E", "UTF8", "--locale=C",
		"-A", "scram-sha-256", "--pwfile", ownedFile(t, dir, "password", p.Password, as))
	cert, key := selfSignedPEM(t)
	p.CertFile = ownedFile(t, dir, "cert.pem", string(cert), as)
	args := []string{"-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(p.Port), "-k", dir}
	for _, setting := range slices.Concat([]string{
		"listen_addresses=127.0.0.1", "max_connections=200", "shared_buffers=64MB", "ssl=on",
		"ssl_cert_file=" + p.CertFile, "ssl_key_file=" + ownedFile(t, dir, "key.pem", string(key), as),
	}, map[bool][]string{true: {"fsync=off", "full_page_writes=off"}}[cfg.Fast], cfg.Settings) {
		args = append(args, "-c", setting)
	}
	p.Process = Start(t, Command{
		Name: "postgres", Path: filepath.Join(bin, "postgres"), Args: args, Dir: dir, As: as,
		Stop: syscall.SIGINT, // do not wait for clients
		Ready: func(ctx context.Context) error {
			c, err := pgx.Connect(ctx, p.DSN("postgres"))
			if err != nil {
				return err
			}
			return c.Close(ctx)
		},
	})
	return p
}

// DSN is the address of a database on the server.
func (p *Postgres) DSN(database string, options ...string) string {
	return postgresURL(p.User, p.Password, p.Port, database, options)
}

func postgresURL(user, password string, port int, database string, options []string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/" + database,
	}
	q := url.Values{}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		q.Set(name, value)
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // as libpq reads it
	return u.String()
}

// Database makes an empty database of a test's own and gives its name: about 30 ms. It is gone after the test.
func (p *Postgres) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", p.databases.Add(1))
	p.Exec(t, "postgres", "CREATE DATABASE "+name)
	t.Cleanup(func() {
		if p.Running() {
			p.Exec(t, "postgres", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		}
	})
	return name
}

// Exec carries statements out in a database, as its superuser.
func (p *Postgres) Exec(t testing.TB, database string, statements ...string) {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, p.DSN(database))
	must(t, err)
	defer c.Close(ctx)
	for _, s := range statements {
		if _, err := c.Exec(ctx, s); err != nil {
			t.Fatalf("testenv: %s: %v", s, err)
		}
	}
}

// PgBouncer starts a pooler in transaction mode in front of the server and gives the address of a database
// through it. It ends with the test.
func (p *Postgres) PgBouncer(t testing.TB, database string) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("testenv: no pgbouncer: run tools/setup.sh postgres")
	}
	as := unprivileged(t)
	dir := ownedFolder(t, "crossfade-pgbouncer-", as)
	port := Port(t)
	config := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
pool_mode = transaction
default_pool_size = 4
auth_type = plain
auth_file = %s
`, p.Port, p.Password, port, ownedFile(t, dir, "users", fmt.Sprintf("%q %q\n", p.User, p.Password), as))
	dsn := postgresURL(p.User, p.Password, port, database, nil)
	Start(t, Command{
		Name: "pgbouncer", Path: path, Args: []string{ownedFile(t, dir, "pgbouncer.ini", config, as)}, Dir: dir, As: as,
		Stop: syscall.SIGINT,
		Ready: func(ctx context.Context) error {
			c, err := pgx.Connect(ctx, dsn)
			if err != nil {
				return err
			}
			return c.Close(ctx)
		},
	})
	return dsn
}

// postgresBin is the folder of the newest server that is installed.
func postgresBin(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is good
	if len(found) == 0 {
		t.Fatalf("testenv: no PostgreSQL server: run tools/setup.sh postgres")
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	return filepath.Dir(found[0])
}

// unprivileged is whom servers run as that refuse to run as root; nil: as the test does.
func unprivileged(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		must(t, err)
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		must(t, err)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	t.Fatalf("testenv: PostgreSQL does not run as root, and there is no user postgres or nobody: run the tests as another user")
	return nil
}

// ownedFolder makes a temporary folder that belongs to as and is gone after the test.
func ownedFolder(t testing.TB, pattern string, as *syscall.Credential) string {
	t.Helper()
	dir, err := os.MkdirTemp("", pattern)
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if as != nil {
		must(t, os.Chown(dir, int(as.Uid), int(as.Gid)))
	}
	return dir
}

func ownedFile(t testing.TB, dir, name, text string, as *syscall.Credential) string {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	if as != nil {
		must(t, os.Chown(path, int(as.Uid), int(as.Gid)))
	}
	return path
}

func run(t testing.TB, as *syscall.Credential, path string, args ...string) {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("testenv: %s: %v\n%s", path, err, out)
	}
}

// Kill is kill -9 for the server and all its processes, which are no group of their own.
func (p *Postgres) Kill() {
	p.t.Helper()
	workers := p.workers()
	p.Process.Kill()
	for _, pid := range workers {
		_ = syscall.Kill(pid, syscall.SIGKILL) // gone already: as intended
	}
}

// Freeze stops the server and all its processes without closing anything, as a machine that hangs.
func (p *Postgres) Freeze() {
	p.t.Helper()
	p.Signal(syscall.SIGSTOP) // from now on there are no new ones
	for _, pid := range p.workers() {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
}

// Thaw lets it go on.
func (p *Postgres) Thaw() {
	p.t.Helper()
	for _, pid := range p.workers() {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	p.Signal(syscall.SIGCONT)
}

// workers are the processes that the server has started.
func (p *Postgres) workers() (pids []int) {
	out, err := exec.Command("ps", "-o", "pid=", "--ppid", strconv.Itoa(p.cmd.Process.Pid)).Output()
	if err != nil {
		return nil // none
	}
	for line := range bytes.Lines(out) {
		if pid, err := strconv.Atoi(string(bytes.TrimSpace(line))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
