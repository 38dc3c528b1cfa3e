package testenv

import "syscall"

// processAttributes gives the child a process group, and a kill when its parent is gone.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
