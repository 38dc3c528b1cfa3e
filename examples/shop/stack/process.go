package stack

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// readyLimit is long enough for a cold Django on two busy cores.
const readyLimit = 60 * time.Second

// command says how one process is started.
type command struct {
	name, path, dir, log string
	args, env            []string
	ready                string // a URL that answers below 500 once it is up
}

// Process is one process of the stack, with all its children.
type Process struct {
	command command
	cmd     *exec.Cmd
	exited  chan struct{}
}

// run starts a process and waits until it answers.
func run(ctx context.Context, c command) (*Process, error) {
	p := &Process{command: c}
	return p, p.start(ctx)
}

func (p *Process) start(ctx context.Context) error {
	log, err := os.OpenFile(p.command.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(p.command.path, p.command.args...)
	cmd.Dir, cmd.Env = p.command.dir, append(os.Environ(), p.command.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	// On Linux the child dies with the thread that made it, so one is kept for it until it is gone: nothing
	// outlives a demo or a test that was killed.
	started, exited := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
		close(exited)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", p.command.name, err)
	}
	p.cmd, p.exited = cmd, exited
	return p.await(ctx)
}

func (p *Process) await(ctx context.Context) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // readiness of our own process on loopback
	}}
	deadline := time.After(readyLimit)
	for {
		if res, err := client.Get(p.command.ready); err == nil {
			res.Body.Close()
			if res.StatusCode < 500 {
				return nil
			}
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended before it answered; its log says:\n%s", p.command.name, p.tail())
		case <-deadline:
			return fmt.Errorf("%s does not answer at %s after %v; its log says:\n%s", p.command.name, p.command.ready, readyLimit, p.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Kill is kill -9: nothing is flushed and nothing is said.
func (p *Process) Kill() { p.signal(syscall.SIGKILL); <-p.exited }

// Restart starts it again after it ended, and waits until it answers.
func (p *Process) Restart(ctx context.Context) error { return p.start(ctx) }

// Stop asks it to end and kills it when it has not after the limit.
func (p *Process) Stop(limit time.Duration) {
	if p.cmd == nil {
		return
	}
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(limit):
		p.Kill()
	}
}

func (p *Process) exitedByNow() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

func (p *Process) signal(s syscall.Signal) {
	select {
	case <-p.exited:
	default:
		syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// tail is the end of the log, for error messages.
func (p *Process) tail() string {
	text, err := os.ReadFile(p.command.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}
