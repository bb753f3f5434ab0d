package bailey

import (
	"os"
	"syscall"
	"time"

	"github.com/bailey-run/bailey/internal/audit"
)

// status sums up how a command ended.
func status(st *os.ProcessState, took time.Duration) audit.Status {
	s := audit.Status{Code: st.ExitCode(), Duration: int64(took), User: int64(st.UserTime()), System: int64(st.SystemTime())}
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		s.Code = 128 + int(ws.Signal())
		s.Signal = ws.Signal().String()
	}
	if r, ok := st.SysUsage().(*syscall.Rusage); ok {
		s.MaxRSS = int64(r.Maxrss) * maxRSSUnit
	}
	return s
}
