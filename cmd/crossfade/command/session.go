package command

import (
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"crossfade.dev/crossfade/internal/fault"
	sessionv1 "crossfade.dev/crossfade/proto/gen/crossfade/session/v1"
)

// sessionIDs is the hint for an id that names no session.
const sessionIDs = "an id has 32 hex digits: crossfade session find <subject> shows them; a lineage is written lineage:<id>"

func (p *program) sessionCommand() *cobra.Command {
	return group(&cobra.Command{
		Use: "session", Short: "Find, look at and end sessions",
		Long: `Sessions are named by their public id, which may be logged and shown. Ending one ends its
whole lineage, in both systems.`,
	}, p.sessionFindCommand(), p.sessionShowCommand(), p.sessionEndCommand(), p.sessionEndsCommand(),
		p.sessionExportCommand(), p.sessionEraseCommand())
}

func (p *program) sessionFindCommand() *cobra.Command {
	var limit int32
	var page string
	c := &cobra.Command{
		Use: "find SUBJECT", Short: "The sessions of one subject, newest first", Args: exactly("SUBJECT"),
		Example: `  crossfade session find 42`,
		RunE: does(func(c *cobra.Command, args []string) error {
			if err := within("--limit", limit, 1, 200); err != nil {
				return err
			}
			a, err := p.dial()
			if err != nil {
				return err
			}
			out, err := call(c.Context(), a, a.sessions.List, &sessionv1.ListRequest{Subject: args[0], Limit: limit, Page: page})
			if err != nil {
				return err
			}
			return p.answer(out, func(w io.Writer) {
				rows := [][]string{{"SESSION", "KIND", "STATE", "LAST SEEN", "EXPIRES", "ORIGIN"}}
				for _, s := range out.Sessions {
					rows = append(rows, []string{s.Id, s.Kind, p.stateOf(s), at(s.LastSeen), at(min(s.IdleAt, s.ExpiresAt)), s.Origin})
				}
				table(w, rows...)
				if len(out.Sessions) == 0 && page == "" {
					fmt.Fprintf(p.Err, "the new system has no session of subject %q; a subject is the user's id (in Django the primary key), not the login name; sessions on legacy are not listed, and \"crossfade session end --subject\" ends them too\n", args[0])
				}
				if out.NextPage != "" {
					fmt.Fprintf(p.Err, "there are more: --page %s\n", out.NextPage)
				}
			})
		}),
	}
	c.Flags().Int32Var(&limit, "limit", 50, "how `many`, 1 to 200")
	c.Flags().StringVar(&page, "page", "", "`page` to go on with, as the previous answer named it")
	return c
}

func (p *program) stateOf(s *sessionv1.Session) string {
	switch until := min(s.GetIdleAt(), s.GetExpiresAt()); {
	case s.GetEndReason() != "":
		return s.GetState() + ": " + s.GetEndReason()
	case s.GetState() == "live" && until != 0 && until <= p.Now().Unix():
		return "expired"
	}
	return s.GetState()
}

func (p *program) sessionShowCommand() *cobra.Command {
	var values bool
	c := &cobra.Command{
		Use: "show ID", Short: "One session, and which keys it holds", Args: exactly("ID"),
		Long:    `Shows a session by its id, or by lineage:<id>. Values are personal: they are printed only with --values.`,
		Example: "  crossfade session show 0f3c9d...\n  crossfade session show lineage:77ab01... --values",
		RunE: does(func(c *cobra.Command, args []string) error {
			a, err := p.dial()
			if err != nil {
				return err
			}
			out, err := call(c.Context(), a, a.sessions.Get, &sessionv1.GetRequest{Session: selector(args[0])})
			if err != nil {
				return otherwise(err, sessionIDs)
			}
			if !values && out.Attributes != nil {
				for key := range out.Attributes.Values {
					out.Attributes.Values[key] = `"..."`
				}
			}
			return p.answer(out, func(w io.Writer) { p.showSession(w, out, values) })
		}),
	}
	c.Flags().BoolVar(&values, "values", false, "print the values too")
	return c
}

func selector(text string) *sessionv1.Selector {
	if lineage, ok := strings.CutPrefix(text, "lineage:"); ok {
		return &sessionv1.Selector{Lineage: lineage}
	}
	return &sessionv1.Selector{Id: text}
}

func (p *program) showSession(w io.Writer, out *sessionv1.GetResponse, values bool) {
	s := out.GetSession()
	idle, last := p.ahead(s.GetIdleAt()), p.ahead(s.GetExpiresAt())
	if s.GetState() != "live" && s.GetState() != "moving" {
		idle, last = "", "" // what is over has no time left
	}
	pairs(w,
		[2]string{"session", s.GetId()}, [2]string{"lineage", s.GetLineage()},
		[2]string{"generation", strconv.FormatUint(uint64(s.GetGeneration()), 10)},
		[2]string{"kind", s.GetKind()}, [2]string{"subject", s.GetSubject()}, [2]string{"state", p.stateOf(s)},
		[2]string{"logged in", at(s.GetAuthTime())}, [2]string{"methods", strings.Join(s.GetMethods(), " ")},
		[2]string{"level", s.GetLevel()}, [2]string{"created", at(s.GetCreated())}, [2]string{"last seen", at(s.GetLastSeen())},
		[2]string{"idle until", idle}, [2]string{"at most until", last},
		[2]string{"visitor", s.GetVisitor()}, [2]string{"came from", s.GetOrigin()},
		[2]string{"device", s.GetDevice().GetUserAgent()}, [2]string{"device's label", s.GetDevice().GetLabel()},
		[2]string{"network", s.GetDevice().GetAddress()},
		[2]string{"version", strconv.FormatUint(s.GetVersion(), 10)})
	all := out.GetAttributes().GetValues()
	if len(all) == 0 {
		return
	}
	keys := make([]string, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	fmt.Fprintln(w, "\nholds:")
	for _, key := range keys {
		if values {
			fmt.Fprintf(w, "  %s = %s\n", oneLine(key), oneLine(all[key]))
		} else {
			fmt.Fprintf(w, "  %s\n", oneLine(key))
		}
	}
}

func (p *program) sessionEndCommand() *cobra.Command {
	var reason, subject, except string
	var everybody bool
	var conditions endConditions
	c := &cobra.Command{
		Use: "end [ID]", Short: "End one session, all of a subject, everybody's, or all that meet conditions",
		Long: `Ends sessions in both systems. In the new one it is in force at once; what legacy has not
confirmed yet is tried again until it has (crossfade_ends_outstanding in /metrics counts
it). Ending everybody's is one write, and cannot be undone. "crossfade changes" has who
ended what, when and why.

With conditions (--issued-before, --address, --method, --device, --origin, --kind, --attribute)
all sessions end that meet every one of them, also with --subject beside them. They are
counted first, and you are asked. Then a run works through the store in the background, and
"crossfade session ends" says how far it is. It ends what was issued before its start: who
logs in meanwhile stays. Sessions that never left legacy are not looked at; the ends of a
subject and of everybody reach them.`,
		Example: `  crossfade session end 0f3c9d... --reason "customer asked"
  crossfade session end --subject 42 --reason "password leaked"
  crossfade session end --subject 42 --except 0f3c9d... --reason "all other devices"
  crossfade session end --everybody --reason "secret leaked"
  crossfade session end --method sms --issued-before 2026-03-01T10:00:00Z --reason "sms was broken"
  crossfade session end --address 203.0.113.0/24 --dry-run --reason "who came from there"
  crossfade session end --attribute 'plan="trial"' --kind authenticated --reason "trials are over" --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			where, err := conditions.where(subject, p.Now())
			if err != nil {
				return err
			}
			if where != nil {
				if len(args) > 0 || everybody || except != "" {
					return fault.New(fault.Invalid, "conditions do not go with a session id, --except or --everybody").
						WithHint("leave it out: every session that meets the conditions ends")
				}
				return does(func(c *cobra.Command, _ []string) error { return p.endWhere(c, where, &conditions, reason) })(c, args)
			}
			in, err := endTarget(args, subject, except, everybody)
			if err != nil {
				return err
			}
			in.Reason = reason
			return does(func(c *cobra.Command, _ []string) error { return p.end(c, in) })(c, args)
		},
	}
	c.Flags().StringVar(&subject, "subject", "", "all sessions of this `subject`")
	c.Flags().StringVar(&except, "except", "", "with --subject: spare this session `id`")
	c.Flags().BoolVar(&everybody, "everybody", false, "all sessions of everybody")
	conditions.flags(c)
	reasonFlag(c, &reason)
	return c
}

func endTarget(args []string, subject, except string, everybody bool) (*sessionv1.EndRequest, error) {
	in := &sessionv1.EndRequest{ExceptSession: except}
	targets := len(args)
	switch {
	case len(args) == 1:
		in.Target = &sessionv1.EndRequest_Session{Session: selector(args[0])}
	case subject != "":
		in.Target = &sessionv1.EndRequest_Subject{Subject: subject}
	case everybody:
		in.Target = &sessionv1.EndRequest_Everybody{Everybody: true}
	}
	if subject != "" {
		targets++
	}
	if everybody {
		targets++
	}
	if targets != 1 {
		return nil, fault.New(fault.Invalid, "name exactly one of: a session id, --subject, --everybody").
			WithHint(`one session: "crossfade session end ID"; all of a user: --subject SUBJECT; all there are: --everybody`)
	}
	if except != "" && subject == "" {
		return nil, fault.New(fault.Invalid, "--except goes with --subject")
	}
	return in, nil
}

func (p *program) end(c *cobra.Command, in *sessionv1.EndRequest) error {
	author, err := p.by()
	if err != nil {
		return err
	}
	in.Author = author
	a, err := p.dial()
	if err != nil {
		return err
	}
	out, err := call(c.Context(), a, a.sessions.End, in)
	if err != nil {
		return otherwise(err, sessionIDs)
	}
	return p.answer(out, func(w io.Writer) {
		if in.GetEverybody() {
			fmt.Fprintln(w, "ended everybody's sessions in the new system")
		} else {
			fmt.Fprintf(w, "ended %s in the new system\n", count(int(out.Ended), "session"))
		}
		if out.Outstanding > 0 {
			what := "those on legacy end too"
			if in.GetSession() != nil {
				what = "on legacy it ends too"
			}
			fmt.Fprintf(w, "%s: the order is sent until legacy confirms it; crossfade_ends_outstanding in /metrics is 0 when it has\n", what)
		}
	})
}
