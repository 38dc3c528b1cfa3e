package testenv

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit = 60 * time.Second      // a cold Django on two busy cores takes a few seconds
	stopLimit  = 20 * time.Second      // longer than any graceful shutdown that we promise
	probeEvery = 25 * time.Millisecond // how often readiness is asked for
)

// Command says how to start a process.
type Command struct {
	Name string // for messages and the log
	Path string
	Args []string
	Dir  string
	Env  []string // added to the environment of the test
	// As is whom it runs as; nil: as the test does.
	As *syscall.Credential
	// Stop asks it to end; zero: SIGTERM.
	Stop syscall.Signal
	// Ready is asked until it returns nil; nil means ready at once. [HTTPReady] makes one.
	Ready func(context.Context) error
}

// Process is a real process under test. It is started with its own process group, so that a kill takes
// its workers too, and ends with the test at the latest. What it printed is shown when the test fails.
// Methods are for one goroutine, except Logs.
type Process struct {
	t       testing.TB
	command Command
	logs    *logBuffer
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the current run is over
	err     error         // how it ended; read after exited
}

// Start starts a process and waits until it is ready.
func Start(t testing.TB, command Command) *Process {
	t.Helper()
	p := &Process{t: t, command: command, logs: &logBuffer{}}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("---- output of %s\n%s----", command.Name, p.Logs())
		}
	})
	p.start()
	return p
}

// start runs the command on a thread of its own: on Linux the child dies with the thread that made it, so
// that thread is kept until the child is gone, and the child never outlives a test that crashed.
func (p *Process) start() {
	p.t.Helper()
	cmd := exec.Command(p.command.Path, p.command.Args...)
	cmd.Dir = p.command.Dir
	cmd.Env = append(os.Environ(), p.command.Env...)
	cmd.Stdout, cmd.Stderr = p.logs, p.logs
	cmd.SysProcAttr = processAttributes()
	cmd.SysProcAttr.Credential = p.command.As
	cmd.WaitDelay = stopLimit // grandchildren may hold the output open

	started := make(chan error)
	exited := make(chan struct{})
	p.cmd, p.exited, p.err = cmd, exited, nil
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(exited)
	}()
	if err := <-started; err != nil {
		p.t.Fatalf("testenv: start %s: %v", p.command.Name, err)
	}
	p.waitReady()
}

func (p *Process) waitReady() {
	p.t.Helper()
	if p.command.Ready == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		err := p.command.Ready(ctx)
		if err == nil {
			return
		}
		select {
		case <-p.exited:
			p.t.Fatalf("testenv: %s ended before it was ready: %v\n%s", p.command.Name, p.err, p.Logs())
		case <-ctx.Done():
			p.t.Fatalf("testenv: %s is not ready after %v: %v", p.command.Name, startLimit, err)
		case <-tick.C:
		}
	}
}

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return p.cmd.Process != nil
	}
}

// Kill is kill -9 for the process and all its children: nothing is flushed, nothing is said.
func (p *Process) Kill() {
	p.t.Helper()
	p.Signal(syscall.SIGKILL)
	<-p.exited
}

// Stop asks the process to end (SIGTERM, or what its command says), waits for it and returns how it ended; nil is exit status 0.
// What has not ended by then is killed, which fails the test. A process that is not running is fine.
func (p *Process) Stop() error {
	p.t.Helper()
	p.Signal(cmp.Or(p.command.Stop, syscall.SIGTERM))
	select {
	case <-p.exited:
	case <-time.After(stopLimit):
		p.t.Errorf("testenv: %s does not stop within %v of being asked", p.command.Name, stopLimit)
		p.Kill()
	}
	// Workers that outlived their parent.
	p.signalGroup(syscall.SIGKILL)
	return p.err
}

// Restart starts the same command again and waits until it is ready. One that runs is stopped first;
// after Kill it comes back as after a crash.
func (p *Process) Restart() {
	p.t.Helper()
	if p.Running() {
		_ = p.Stop()
	}
	p.start()
}

// Signal sends a signal to the process and its children, e.g. SIGHUP to reload, SIGSTOP and SIGCONT for
// a process that hangs. It does nothing after the end.
func (p *Process) Signal(signal syscall.Signal) {
	p.t.Helper()
	if p.Running() {
		p.signalGroup(signal)
	}
}

func (p *Process) signalGroup(signal syscall.Signal) {
	if p.cmd.Process != nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, signal)
	}
}

// Logs is what the process printed so far, all runs together; a long output keeps its end.
func (p *Process) Logs() string { return p.logs.String() }

// HTTPReady is ready when a GET of the URL is answered with a status below 500.
func HTTPReady(url string) func(context.Context) error {
	client := &http.Client{
		Timeout:       5 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode >= http.StatusInternalServerError {
			return fmt.Errorf("GET %s: %s", url, res.Status)
		}
		return nil
	}
}

// logLimit is what a log buffer keeps: enough for a stack trace and what led to it.
const logLimit = 256 << 10

// logBuffer keeps the end of what is written to it. Safe for concurrent use.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Write(p)
	if over := b.buf.Len() - logLimit; over > 0 {
		b.buf.Next(over)
	}
	return len(p), nil
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.ToValidUTF8(b.buf.String(), "?")
}
