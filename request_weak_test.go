//go:build linux

package bailey

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/inside"
)

// TestWeakRequest asks from a box of tier landlock: what it is given holds from the
// next run on.
func TestWeakRequest(t *testing.T) {
	dir, outer := askingPlace(t)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	data := filepath.Join(outer, "data")
	who := &scripted{yes: map[string]Scope{data: approval.Project}}
	cfg := Config{Dir: dir, Ask: who, Program: "/bin/true"}
	a := askingIn(t, weakPlan(t, cfg))
	x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: data, Why: "to test"})
	if !x.Granted || x.Holds != inside.NextRun || !strings.Contains(x.Reason, "tier landlock") {
		t.Fatalf("%+v", x)
	}
	q := who.questions()[0]
	if q.Subject != data || q.PID == 0 || q.PID == os.Getpid() || !strings.Contains(q.Exe, "perl") {
		t.Errorf("asked %+v", q)
	}
	for _, s := range q.Scopes {
		if s == approval.Session {
			t.Error("an answer for this session was offered, which could not hold")
		}
	}
	if x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: filepath.Join(outer, "one")}); x.Granted {
		t.Errorf("%+v", x)
	}
	if x := a.ask(inside.Request{Op: "request", Kind: "network", Subject: "a.test:443"}); x.Granted || !strings.Contains(x.Reason, "without a network") {
		t.Errorf("%+v", x)
	}
	if out := a.do("cat " + data + "/a"); strings.Contains(out, "content") {
		t.Errorf("shown to a running box: %s", out)
	}
	if out := a.do("echo x > .envrc"); !strings.Contains(out, "ermission") && !strings.Contains(out, "denied") {
		t.Error(out)
	}
	if x := a.ask(inside.Request{Op: "denials"}); len(x.Denials) == 0 {
		t.Errorf("%+v", x)
	}
	if out := a.do("PATH=${PATH##*:}; true && echo found"); out != "found\n" {
		t.Errorf("the program: %s", out)
	}
	next := askingIn(t, weakPlan(t, cfg))
	if out := next.do("cat " + data + "/a"); out != "content\n" {
		t.Errorf("the next run: %s", out)
	}
}

// weakSockets tries to reach a socket of the host, and the box's own, in other ways
// than the one that there is.
const weakSockets = `use Socket; use IO::Handle;
my ($mine, $host) = ($ENV{BAILEY_SOCKET}, $ENV{HOSTSOCKET});
sub try { my ($name, $kind, $addr) = @_; socket(my $s, PF_UNIX, $kind, 0) or return print "refused $name: socket\n"; print connect($s, $addr) ? "WORKED $name\n" : "refused $name: $!\n" }
try("host", SOCK_STREAM, pack_sockaddr_un($host));
try("host behind the name", SOCK_STREAM, pack("S", 1) . "$mine/../../..$host\0");
try("parts", SOCK_STREAM, pack_sockaddr_un("/run/bailey/../bailey/socket"));
try("twice", SOCK_STREAM, pack_sockaddr_un("/run//bailey/socket"));
try("longer", SOCK_STREAM, pack_sockaddr_un($mine . "x"));
try("abstract", SOCK_STREAM, pack("S", 1) . "\0" . substr($mine, 1));
try("another family", SOCK_STREAM, pack("S", 2) . $mine);
try("seqpacket", SOCK_SEQPACKET, pack_sockaddr_un($mine));
for my $fd (glob "/proc/$ENV{OUTER}/fd/*") { socket(my $s, PF_UNIX, SOCK_STREAM, 0); print "WORKED $fd\n" if connect($s, pack_sockaddr_un($fd)) }
open(my $f, "<", "/dev/null"); print connect($f, pack_sockaddr_un($mine)) ? "WORKED file\n" : "refused file: $!\n";
my @s; for (1..200) { socket(my $s, PF_UNIX, SOCK_STREAM, 0); push @s, $s if connect($s, pack_sockaddr_un($mine)) } print "held ", scalar(@s), "\n"; @s = ();
sub asked { socket(my $s, PF_UNIX, SOCK_STREAM, 0); connect($s, pack_sockaddr_un($mine)) or return; print $s qq({"op":"grants"}\n); $s->flush; defined <$s> }
for (1..1200) { asked() and print("asked\n"), last; select undef, undef, undef, 0.05 }
`

// TestWeakRequestAttacks: the way to the socket leads nowhere else, and a box that
// holds many connections does not stop its broker.
func TestWeakRequestAttacks(t *testing.T) {
	dir, _ := askingPlace(t)
	host := filepath.Join(dir, "h")
	l, err := net.Listen("unix", host)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.WriteFile(filepath.Join(dir, "attack.pl"), []byte(weakSockets), 0o644); err != nil {
		t.Fatal(err)
	}
	a := askingIn(t, weakPlan(t, Config{Dir: dir}))
	out := a.do(fmt.Sprintf("HOSTSOCKET=%s OUTER=%d perl attack.pl", host, os.Getpid()))
	if strings.Contains(out, "WORKED") || strings.Count(out, "refused ") != 9 || !strings.HasSuffix(out, "asked\n") || strings.Contains(out, "held 200") {
		t.Errorf("in the box:\n%s", out)
	}
	if c, err := net.Dial("unix", host); err != nil {
		t.Errorf("the host's socket answers nobody: %v", err)
	} else {
		c.Close()
	}
	// Another program of this user that finds the socket is no program of the box.
	found := 0
	fds, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err != nil || !strings.Contains(to, "bailey-ask-") {
			continue
		}
		found++
		c, err := net.Dial("unix", fd)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintln(c, `{"op":"grants"}`)
		if n, err := c.Read(make([]byte, 100)); err == nil {
			t.Errorf("answered, %d bytes", n)
		}
		c.Close()
	}
	if found == 0 {
		t.Error("the socket was not found: nothing was tried")
	}
}

// TestWeakRequestWho asks from many programs at once: each question names its own.
func TestWeakRequestWho(t *testing.T) {
	dir, outer := askingPlace(t)
	who := &scripted{}
	a := askingIn(t, weakPlan(t, Config{Dir: dir, Ask: who}))
	out := a.do(`for i in 1 2 3 4 5 6 7 8; do perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ENV{BAILEY_SOCKET}) or die "connect: $!"; print $s qq({"op":"request","kind":"read","subject":"` + outer + `/$$"}\n); $s->flush; print <$s>' & done; wait`)
	if strings.Count(out, `"granted":false`) != 8 {
		t.Errorf("answered: %s", out)
	}
	said := map[string]string{}
	for _, q := range who.questions() {
		said[q.Subject] = fmt.Sprint(outer, "/", q.PID)
	}
	if len(said) != 8 {
		t.Errorf("%d questions", len(said))
	}
	for subject, want := range said {
		if subject != want {
			t.Errorf("the program that asks for %s is shown as %s", subject, want)
		}
	}
}
