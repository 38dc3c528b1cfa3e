package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"crossfade.dev/crossfade/internal/config"
	"crossfade.dev/crossfade/internal/fault"
)

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run Crossfade", Args: exactly(),
		Long: `Runs the edge, the session plane and the control plane in one process, until SIGINT or
SIGTERM: then it takes no new connection and lets requests finish (public.drain).

SIGHUP, or a change of the configuration file or of a secret, reloads. The new
configuration is built and checked before the old one is left; a bad one is refused, the
log says why, and the old one serves on. Listeners, keys, the data folder and the lives of
sessions need a restart.

Sockets that systemd holds open (FileDescriptorName=public and internal) are taken over,
so that a restart refuses no connection.`,
		Example: "  crossfade serve\n  crossfade serve --config /etc/crossfade/crossfade.yaml",
		RunE: does(func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(p.config)
			if err != nil {
				return err
			}
			return p.Serve(c.Context(), cfg, p.Version)
		}),
	}
}

func (p *program) configCommand() *cobra.Command {
	return group(&cobra.Command{Use: "config", Short: "Check a configuration, or read what its fields mean"},
		p.configCheckCommand(), p.configExplainCommand())
}

func (p *program) configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Check the configuration and its secrets, as serve does before it starts", Args: exactly(),
		Example: "  crossfade config check\n  crossfade config check --config staging.yaml",
		RunE: does(func(*cobra.Command, []string) error {
			c, err := config.Load(p.config)
			if err != nil {
				return err
			}
			if _, err := c.ReadSecrets(p.Getenv); err != nil {
				return err
			}
			warnings := c.Warnings()
			if p.json {
				return p.answerJSON(map[string]any{"file": p.config, "ok": true, "warnings": append([]string{}, warnings...)})
			}
			fmt.Fprintf(p.Out, "%s is good: %s in front of %s, %s, %s\n", p.config, c.Public.URL,
				count(len(c.Upstreams), "upstream"), count(len(c.Routes), "route"), count(len(c.Clients), "client"))
			for _, w := range warnings {
				fmt.Fprintln(p.Err, "warning: "+w)
			}
			return nil
		}),
	}
}

func (p *program) configExplainCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain [PATH]", Short: "What a section or field means, and its default", Args: cobra.MaximumNArgs(1),
		Example:           "  crossfade config explain\n  crossfade config explain legacy.bridge\n  crossfade config explain routes.on_store_down",
		ValidArgsFunction: completePath,
		RunE: does(func(_ *cobra.Command, args []string) error {
			topic, err := config.Explain(strings.Join(args, ""))
			if fault.CodeOf(err) == fault.NotFound {
				return typed(err)
			}
			if err != nil {
				return err
			}
			if p.json {
				return p.answerJSON(topic)
			}
			p.explain(topic)
			return nil
		}),
	}
}

func (p *program) explain(t config.Topic) {
	if t.Path != "" {
		fmt.Fprintf(p.Out, "%s: %s", t.Path, t.Kind)
		if t.Default != "" {
			fmt.Fprintf(p.Out, ", default %s", t.Default)
		}
		fmt.Fprintln(p.Out)
	}
	fmt.Fprintln(p.Out, wrap(t.Doc, 96))
	if len(t.Fields) == 0 {
		return
	}
	fmt.Fprintln(p.Out)
	rows := make([][]string, 0, len(t.Fields))
	for _, f := range t.Fields {
		first, _, _ := strings.Cut(f.Doc, ". ")
		first, _, _ = strings.Cut(first, "\n")
		rows = append(rows, []string{"  " + f.Path, strings.TrimSuffix(first, ".")})
	}
	table(p.Out, rows...)
}

// wrap breaks paragraphs into lines of at most width letters.
func wrap(text string, width int) string {
	var out []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			if line != "" && len(line)+1+len(word) > width {
				out, line = append(out, line), ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func completePath(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	above, _, _ := cutLast(typed, ".")
	topic, err := config.Explain(above)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, f := range topic.Fields {
		_, name, _ := cutLast(f.Path, ".")
		if above != "" {
			name = above + "." + name
		}
		out = append(out, name)
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return "", s, false
}
