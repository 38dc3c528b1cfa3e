package sealed

import (
	"context"

	"crossfade.dev/crossfade/session"
)

type watcher struct {
	s     *Store
	inner session.Watcher
}

// Watch tells of subjects by who they are. See session.Watcher.
func (w watcher) Watch(ctx context.Context, to session.Watching) error {
	return w.inner.Watch(ctx, watching{to, w.s})
}

type watching struct {
	session.Watching
	s *Store
}

// Changed passes a change on. A name that cannot be opened is of a key that this ring does not have; the
// subject's other names come with it, among them those that can.
func (w watching) Changed(c session.Change) {
	marks := make([]session.DrawnMark, 0, len(c.Marks))
	for _, m := range c.Marks {
		subject, err := w.s.subject(m.Subject)
		if err != nil {
			w.s.log.Error("a mark of an ended subject cannot be opened: put the key that sealed it into \"keys\" of this process", "mark", m.Mark)
			continue
		}
		marks = append(marks, session.DrawnMark{Mark: m.Mark, Subject: subject})
	}
	c.Marks = marks
	w.Watching.Changed(c)
}

type judge struct {
	s     *Store
	inner session.Judge
}

// Against reads the marks of all names of a subject. See session.Judge.
func (j judge) Against(ctx context.Context, subject string) (session.Marks, error) {
	if subject == "" {
		return j.inner.Against(ctx, "")
	}
	var out session.Marks
	for _, name := range j.s.names(subject) {
		m, err := j.inner.Against(ctx, name)
		if err != nil {
			return out, err
		}
		out = j.merge(ctx, out, m)
	}
	return out, nil
}

func (j judge) merge(ctx context.Context, a, b session.Marks) session.Marks {
	b = j.s.openMarks(ctx, b)
	for subject, mark := range a.Subjects {
		b.Subjects[subject] = max(b.Subjects[subject], mark)
	}
	b.Sequence, b.Global = max(a.Sequence, b.Sequence), max(a.Global, b.Global)
	return b
}

// Judged reads a record and what it is held against. See session.Judge. Marks under other names come first:
// they must not be newer than the record. Where the guess was wrong they are read for the right subject.
func (j judge) Judged(ctx context.Context, id session.ID, subject string) (session.Judged, error) {
	for {
		var before session.Marks
		var err error
		name := ""
		if subject != "" {
			if before, err = j.Against(ctx, subject); err != nil {
				return session.Judged{}, err
			}
			names := j.s.names(subject)
			name = names[len(names)-1]
		}
		out, err := j.inner.Judged(ctx, id, name)
		if err != nil {
			return out, err
		}
		if out.Record, err = j.s.opened(out.Record, nil); err != nil {
			return session.Judged{}, err
		}
		own := j.s.openMarks(ctx, out.Marks)
		switch {
		case out.Record == nil || out.Record.Subject == "":
			out.Marks = session.Marks{Sequence: own.Sequence, Global: own.Global, Subjects: map[string]session.Mark{}}
			return out, nil
		case out.Record.Subject == subject:
			out.Marks = j.merge(ctx, before, out.Marks)
			return out, nil
		}
		subject = out.Record.Subject
	}
}
