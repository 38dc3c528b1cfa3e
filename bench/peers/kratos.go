package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// kratos is Ory Kratos on PostgreSQL, asked as an application does: GET /sessions/whoami with the session
// token. KRATOS names the program. It has no guests, and its logins are mostly the hashing of a password, so both
// are left out.
type kratos struct {
	server        *exec.Cmd
	public, admin string
	client        *http.Client
	dsn           string
	tokens        []string
	identities    map[string]string // by subject
	live          map[string]int    // how many sessions a subject was given
}

func openKratos(o Opening) (sessions, error) {
	k := &kratos{dsn: o.Postgres, identities: map[string]string{}, live: map[string]int{}, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if err := k.start(o.Dir); err != nil {
		return nil, errors.Join(err, k.close())
	}
	for i := range o.Sessions {
		k.tokens = append(k.tokens, fmt.Sprintf("ory_st_customer%012d", i))
	}
	if err := k.openMany("customers", "ory_st_customer", o.Sessions, true); err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

const kratosConfig = `
dsn: %q
serve: {public: {port: %d, host: 127.0.0.1}, admin: {port: %d, host: 127.0.0.1}}
selfservice: {default_browser_return_url: "http://127.0.0.1/", methods: {password: {enabled: true, config: {haveibeenpwned_enabled: false}}}}
log: {level: panic}
secrets: {cookie: ["of-the-measurement-and-nothing-else"], cipher: ["32-bytes-of-the-measurement-only"]}
hashers: {algorithm: bcrypt, bcrypt: {cost: 4}}
session: {lifespan: 336h}
identity: {default_schema_id: default, schemas: [{id: default, url: "file://%s"}]}
`

const kratosSchema = `{"$id":"bench","$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"traits":{"type":"object",
"properties":{"name":{"type":"string","ory.sh/kratos":{"credentials":{"password":{"identifier":true}}}}},"required":["name"]}}}`

func (k *kratos) start(dir string) error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	k.public, k.admin = fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	schema, config := filepath.Join(dir, "schema.json"), filepath.Join(dir, "kratos.yml")
	text := fmt.Sprintf(kratosConfig, k.dsn, ports[0], ports[1], schema)
	if err := errors.Join(os.WriteFile(schema, []byte(kratosSchema), 0o600), os.WriteFile(config, []byte(text), 0o600)); err != nil {
		return err
	}
	program := os.Getenv("KRATOS")
	if out, err := exec.Command(program, "migrate", "sql", "-y", "-c", config, k.dsn).CombinedOutput(); err != nil {
		return fmt.Errorf("kratos migrate: %w: %s", err, out)
	}
	k.server = exec.Command(program, "serve", "-c", config)
	if err := k.server.Start(); err != nil {
		return err
	}
	for range 300 {
		if r, err := k.client.Get(k.public + "/health/ready"); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("kratos does not become ready within 30 s")
}

func freePorts(n int) (out []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out, nil
}

// person makes an identity and logs it in once, through the front door.
func (k *kratos) person(subject string) (identity string, err error) {
	if identity = k.identities[subject]; identity != "" {
		return identity, nil
	}
	const password = "of the measurement, long enough"
	var made struct{ ID string }
	if err := k.call("POST", k.admin+"/admin/identities", map[string]any{
		"schema_id": "default", "traits": map[string]string{"name": subject},
		"credentials": map[string]any{"password": map[string]any{"config": map[string]string{"password": password}}},
	}, &made); err != nil {
		return "", err
	}
	var flow struct{ ID string }
	if err := k.call("GET", k.public+"/self-service/login/api", nil, &flow); err != nil {
		return "", err
	}
	if err := k.call("POST", k.public+"/self-service/login?flow="+flow.ID, map[string]string{"method": "password", "identifier": subject, "password": password}, nil); err != nil {
		return "", err
	}
	k.identities[subject] = made.ID
	return made.ID, nil
}

// openMany multiplies the session of a login in Kratos' own table: ten thousand logins would be ten thousand
// password hashes. Tokens stand there in clear.
func (k *kratos) openMany(subject, prefix string, n int, active bool) error {
	identity, err := k.person(subject)
	if err != nil || n == 0 {
		return err
	}
	ctx := context.Background()
	db, err := pgx.Connect(ctx, k.dsn)
	if err != nil {
		return err
	}
	defer db.Close(ctx)
	_, err = db.Exec(ctx, `CREATE TEMP TABLE copied AS SELECT s.* FROM (SELECT * FROM sessions WHERE identity_id = $1 ORDER BY created_at LIMIT 1) s, generate_series(0, $2 - 1)`, identity, n)
	if err != nil {
		return err
	}
	_, err = db.Exec(ctx, `WITH numbered AS (SELECT ctid, row_number() OVER () - 1 AS n FROM copied)
		UPDATE copied SET id = gen_random_uuid(), active = $2, token = $1 || lpad(n::text, 12, '0'), logout_token = 'ory_lo_' || replace(gen_random_uuid()::text, '-', '')
		FROM numbered WHERE numbered.ctid = copied.ctid`, prefix, active)
	if err != nil {
		return err
	}
	_, err = db.Exec(ctx, `INSERT INTO sessions SELECT * FROM copied`)
	return err
}

func (k *kratos) call(method, url string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	r, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return err
	case r.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s: %.300s", method, url, r.Status, text)
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

func (k *kratos) version() string {
	out, _ := exec.Command(os.Getenv("KRATOS"), "version").Output()
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

func (k *kratos) check(i int) error {
	req, err := http.NewRequest("GET", k.public+"/sessions/whoami", nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Session-Token", k.tokens[i])
	r, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("a live session is %s", r.Status)
	}
	return nil
}

func (k *kratos) create() error   { return errNotDone }
func (k *kratos) login(int) error { return errNotDone }

func (k *kratos) own(subject string, live, dead int) error {
	err := k.openMany(subject, fmt.Sprintf("ory_st_d%x", time.Now().UnixNano()), dead, false)
	if err != nil {
		return err
	}
	k.live[subject] = live
	// One is there already: that of the login.
	return k.openMany(subject, fmt.Sprintf("ory_st_l%x", time.Now().UnixNano()), live-1, true)
}

// endAll takes Kratos at its word: its answer has no count, and looking would be measured too.
func (k *kratos) endAll(subject string) (int, error) {
	err := k.call("DELETE", k.admin+"/admin/identities/"+k.identities[subject]+"/sessions", nil, nil)
	return k.live[subject], err
}

func (k *kratos) list(subject string) (int, error) {
	var found []json.RawMessage
	err := k.call("GET", k.admin+"/admin/identities/"+k.identities[subject]+"/sessions?active=true&page_size=250", nil, &found)
	return len(found), err
}

func (k *kratos) close() error {
	if k.server == nil || k.server.Process == nil {
		return nil
	}
	_ = k.server.Process.Kill()
	_ = k.server.Wait()
	return nil
}
