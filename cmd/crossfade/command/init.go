package command

import (
	_ "embed" // the lines for Django
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/internal/keyring"
)

//go:embed django.txt.tmpl
var djangoTemplate string

func (p *program) initCommand() *cobra.Command {
	var s config.Starter
	var django bool
	c := &cobra.Command{
		Use: "init", Short: "Write a first configuration and its secrets", Args: exactly(),
		Long: `Writes a commented crossfade.yaml, and secrets/ beside it with fresh secrets that only you
can read. A configuration that exists is never overwritten, nor is a secret.

--django prints the lines to add to a Django project instead; it changes nothing.`,
		Example: `  crossfade init --upstream http://127.0.0.1:8000
  crossfade init --upstream http://10.0.0.5:8000 --public https://shop.example.com
  crossfade init --django`,
		RunE: does(func(*cobra.Command, []string) error {
			if django {
				return p.printDjango()
			}
			return p.initialize(s)
		}),
	}
	c.Flags().StringVar(&s.Upstream, "upstream", "http://127.0.0.1:8000", "`address` of the legacy application")
	c.Flags().StringVar(&s.Public, "public", "http://localhost:8080", "`address` that browsers will use")
	c.Flags().BoolVar(&django, "django", false, "print the lines to add to a Django project")
	return c
}

// initialize writes secrets first: a configuration without its secrets would look finished and not start.
func (p *program) initialize(s config.Starter) error {
	if err := flagAddress("upstream", s.Upstream, "http://127.0.0.1:8000"); err != nil {
		return err
	}
	if err := flagAddress("public", s.Public, "https://shop.example.com"); err != nil {
		return err
	}
	text, err := s.Write()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(p.config); err == nil {
		return fault.New(fault.Exists, "%s exists already", p.config).
			WithHint("move it away first, or write another with --config <file>")
	}
	folder := filepath.Dir(p.config)
	if err := os.MkdirAll(filepath.Join(folder, "secrets"), 0o700); err != nil {
		return fault.Wrap(err, fault.Internal, "cannot make the folder for secrets").WithHint("look at the rights of %s", folder)
	}
	var made []string
	for _, name := range config.StarterSecrets() {
		fresh, err := p.makeSecret(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		if fresh {
			made = append(made, name)
		}
	}
	if err := writeNew(p.config, text, 0o644); err != nil {
		return err
	}
	if p.json {
		return p.answerJSON(map[string]any{"file": p.config, "secrets": append([]string{}, made...)})
	}
	fmt.Fprintf(p.Out, "wrote %s\n", p.config)
	for _, name := range made {
		fmt.Fprintf(p.Out, "wrote %s\n", filepath.Join(folder, name))
	}
	fmt.Fprintln(p.Out, "\nnext:\n  crossfade init --django   the lines for your Django project\n  crossfade config check\n  crossfade serve")
	return nil
}

// flagAddress refuses, by the name of the flag that was typed, what would else be reported in lines of a
// configuration that nobody has seen.
func flagAddress(flag, value, example string) error {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fault.New(fault.Invalid, "--%s: %q is not an address", flag, value).WithHint("write it like %s", example)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return fault.New(fault.Invalid, "--%s: %q must be scheme, host and port alone", flag, value).
			WithHint("write it like %s: paths are passed on as they come", example)
	}
	return nil
}

// makeSecret writes a fresh secret, and leaves one that exists as it is: tokens out there depend on it.
func (p *program) makeSecret(path string) (fresh bool, err error) {
	var b [keyring.MinSecret]byte
	if _, err := io.ReadFull(p.Rand, b[:]); err != nil {
		return false, fault.Wrap(err, fault.Internal, "no randomness for a secret")
	}
	err = writeNew(path, hex.EncodeToString(b[:])+"\n", 0o600)
	if fault.CodeOf(err) == fault.Exists {
		return false, nil
	}
	return err == nil, err
}

// writeNew never follows a link and never replaces anything.
func writeNew(path, text string, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fault.Wrap(err, fault.Exists, "%s exists already", path)
	}
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write %s: %v", path, err)
	}
	return nil
}

// djangoLines is what the template is filled with.
type djangoLines struct {
	API, Name, Secret, Bridge string
	Hosts                     []string
	Secure                    bool
}

// printDjango fills the lines from the configuration, or from what init would write.
func (p *program) printDjango() error {
	lines := djangoLines{API: defaultServer, Name: "django", Hosts: []string{"localhost", "127.0.0.1"},
		Secret: absolute("secrets/django"), Bridge: absolute("secrets/bridge-1")}
	c, err := config.Load(p.config)
	switch {
	case err == nil:
		lines.from(c)
	case fault.CodeOf(err) != fault.NotFound:
		return err
	default:
		fmt.Fprintf(p.Err, "warning: no configuration at %s: the addresses and paths below are those of a fresh one in this folder.\n"+
			"Run this where crossfade.yaml is, or name it with --config.\n", p.config)
	}
	var b strings.Builder
	if err := template.Must(template.New("django").Parse(djangoTemplate)).Execute(&b, lines); err != nil {
		return fault.Wrap(err, fault.Internal, "cannot print the lines")
	}
	fmt.Fprint(p.Out, b.String())
	return nil
}

func (l *djangoLines) from(c *config.Config) {
	l.API, l.Name, l.Secure = "http://"+reachable(c.Internal.Listen), c.Legacy.Upstream, c.Public.Secure()
	if u, err := url.Parse(c.Public.URL); err == nil && u.Hostname() != "localhost" {
		l.Hosts = []string{u.Hostname()}
	}
	for _, client := range c.Clients {
		if client.Role == config.RoleLegacy && client.Secret.File != "" {
			l.Name, l.Secret = client.Name, absolute(client.Secret.File)
			if u, ok := c.Upstreams[client.Name]; ok {
				l.Name = u.Audience
			}
		}
	}
	if file := c.Legacy.Bridge.Secrets[0].File; file != "" {
		l.Bridge = absolute(file)
	}
}

func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
