package django

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"crossfade.dev/crossfade/internal/fault"
	"crossfade.dev/crossfade/legacy/inventory"
)

// FolderConfig says where the files of the engine file are.
type FolderConfig struct {
	Keys   Keys
	Dir    string        // SESSION_FILE_PATH
	Prefix string        // the cookie's name, with which the files' names begin; empty: sessionid
	Age    time.Duration // SESSION_COOKIE_AGE
}

// Folder is the store of the engine file.
type Folder struct {
	cfg  FolderConfig
	root *os.Root
}

// OpenFolder opens the folder. Nothing outside of it is read, wherever links in it lead.
func OpenFolder(cfg FolderConfig) (*Folder, error) {
	if cfg.Dir == "" {
		return nil, fault.New(fault.Invalid, "no folder with session files").WithHint("give --dir PATH: SESSION_FILE_PATH in the Django settings, or the folder for temporary files of the site's machine")
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "sessionid"
	}
	root, err := os.OpenRoot(cfg.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Wrap(err, fault.NotFound, "there is no folder %s", cfg.Dir).WithHint("run this on the machine of the Django site, where SESSION_FILE_PATH is")
	case err != nil:
		return nil, fault.Wrap(err, fault.Denied, "cannot open %s: %v", cfg.Dir, err).WithHint("run this as the user that Django runs as")
	}
	return &Folder{cfg: cfg, root: root}, nil
}

// Close gives the folder back.
func (f *Folder) Close() { _ = f.root.Close() }

// Sample implements [inventory.Source].
func (f *Folder) Sample(ctx context.Context, plan *inventory.Plan) (inventory.Store, error) {
	store := inventory.Store{Kind: "file", Name: "files in " + f.cfg.Dir, Rows: -1, Live: -1}
	names, rows, err := f.names(ctx, plan)
	store.Rows, store.Exact = rows, err == nil
	if err != nil {
		return store, err
	}
	if rows == 0 {
		store.Notes = append(store.Notes, "no file's name begins with "+f.cfg.Prefix+": SESSION_COOKIE_NAME may be another (--cookie)")
	}
	unreadable := 0
	for i, name := range names {
		if plan.Done() {
			break
		}
		switch s, err := f.read(name); {
		case errors.Is(err, fs.ErrNotExist): // ended in the meantime
		case err != nil:
			unreadable++
		default:
			plan.Give(s)
		}
		if i%batch == batch-1 || i == len(names)-1 {
			if err := plan.Pause(ctx, batch); err != nil {
				return store, err
			}
		}
	}
	if unreadable > 0 && unreadable == len(names) {
		return store, fault.New(fault.Denied, "none of the %d files in %s may be read", unreadable, f.cfg.Dir).WithHint("run this as the user that Django runs as")
	}
	store.Whole = rows <= int64(len(names)) && !plan.Done() && unreadable == 0
	return store, nil
}

// names are those of the files that may be read, at random and in random order. However many files there are, only
// so many names are kept (a reservoir).
func (f *Folder) names(ctx context.Context, plan *inventory.Plan) (kept []string, all int64, err error) {
	dir, err := f.root.Open(".")
	if err != nil {
		return nil, -1, fault.Wrap(err, fault.Denied, "cannot list %s", f.cfg.Dir).WithHint("run this as the user that Django runs as")
	}
	defer func() { _ = dir.Close() }()
	for {
		found, err := dir.Readdirnames(1000)
		for _, name := range found {
			if !f.isSession(name) {
				continue
			}
			all++
			if len(kept) < plan.Most() {
				kept = append(kept, name)
			} else if at := plan.Rand.Int64N(all); at < int64(len(kept)) {
				kept[at] = name
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, -1, fault.Wrap(err, fault.Unavailable, "cannot list %s", f.cfg.Dir)
		}
		if err := ctx.Err(); err != nil {
			return nil, -1, err
		}
	}
	plan.Rand.Shuffle(len(kept), func(i, j int) { kept[i], kept[j] = kept[j], kept[i] })
	return kept, all, nil
}

func (f *Folder) isSession(name string) bool {
	key, ok := strings.CutPrefix(name, f.cfg.Prefix)
	return ok && key != "" && strings.Trim(key, inventory.Letters) == ""
}

func (f *Folder) read(name string) (inventory.Session, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return inventory.Session{}, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return inventory.Session{}, err
	}
	if !info.Mode().IsRegular() {
		return inventory.Session{}, fs.ErrInvalid
	}
	text, err := io.ReadAll(io.LimitReader(file, 2*MaxPayload+1))
	if err != nil {
		return inventory.Session{}, err
	}
	s, v := f.cfg.Keys.fromText(name, string(text))
	s.Size, s.Saved = int(info.Size()), info.ModTime()
	s.Expires = expiry(v, info.ModTime(), f.cfg.Age)
	return s, nil
}
