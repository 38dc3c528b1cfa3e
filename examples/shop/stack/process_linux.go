package stack

import "syscall"

// attributes: a group of its own, so that a signal reaches the workers too, and a kill when the parent dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
