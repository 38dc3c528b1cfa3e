package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// The roles that this program plays in processes of its own, so that what is measured shares neither heap
// nor collector with what measures it.
const (
	roleUpstream = "role:upstream"
	roleServer   = "role:server"
	roleLoad     = "role:load"
	roleGuests   = "role:guests"
)

// play runs a role until standard input ends, which it does when the parent is gone.
func play(role string, in io.Reader, out io.Writer) error {
	switch role {
	case roleUpstream:
		return playUpstream(in, out)
	case roleServer:
		return playServer(in, out)
	case roleLoad:
		return playLoad(in, out)
	case roleGuests:
		return playGuests(in, out)
	}
	return fmt.Errorf("there is no %s", role)
}

// reply is an answer on a role's standard output: one JSON value per question.
type reply[A any] struct {
	Error  string
	Answer A
}

// serve answers questions until there are no more.
func serve[Q, A any](in io.Reader, out io.Writer, answer func(Q) (A, error)) error {
	questions, replies := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q Q
		if err := questions.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var r reply[A]
		var err error
		if r.Answer, err = answer(q); err != nil {
			r.Error = err.Error()
		}
		if err := replies.Encode(r); err != nil {
			return err
		}
	}
}

// child is this program in another role. It answers one question at a time.
type child struct {
	role    string
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	ask     *json.Encoder
	replies *json.Decoder
}

func start(role string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{role: role, cmd: exec.Command(program, role)}
	c.cmd.Stderr = os.Stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.ask, c.replies = json.NewEncoder(c.stdin), json.NewDecoder(stdout)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", role, err)
	}
	return c, nil
}

// question asks a child. It is a function because methods have no type parameters.
func question[A any](c *child, q any) (A, error) {
	var r reply[A]
	if err := c.ask.Encode(q); err != nil {
		return r.Answer, fmt.Errorf("%s: %w", c.role, err)
	}
	if err := c.replies.Decode(&r); err != nil {
		return r.Answer, fmt.Errorf("%s gave no answer: %w", c.role, err)
	}
	if r.Error != "" {
		return r.Answer, fmt.Errorf("%s: %s", c.role, r.Error)
	}
	return r.Answer, nil
}

// stop tells the child that there are no more questions, and waits for its end.
func (c *child) stop() error {
	if err := c.stdin.Close(); err != nil {
		return err
	}
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", c.role, err)
	}
	return nil
}
