package main

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed are the packages that bailey may link: start-up is the price of every
// command, and each package can only add to it. What is not here needs a reason,
// a look at GODEBUG=inittrace=1, and a line. regexp and tabwriter come with the shell
// parser's printer, at 70 to 100 us: see RATIONALE.md.
var allowed = strings.Fields(`
	bufio bytes cmp context crypto crypto/cipher crypto/fips140 crypto/sha256 crypto/subtle embed encoding encoding/base64 encoding/binary encoding/hex encoding/json
	errors fmt hash hash/fnv io io/fs io/ioutil iter maps math math/bits math/big math/rand math/rand/v2 os os/exec os/signal path path/filepath
	reflect runtime runtime/debug slices sort strconv strings sync sync/atomic syscall time unicode unicode/utf16 unicode/utf8 unique unsafe weak
	structs net/netip
	github.com/bailey-run/bailey github.com/bailey-run/bailey/cmd/bailey
	github.com/bailey-run/bailey/internal/approval github.com/bailey-run/bailey/internal/audit github.com/bailey-run/bailey/internal/host github.com/bailey-run/bailey/internal/layers
	github.com/bailey-run/bailey/internal/linux github.com/bailey-run/bailey/internal/name github.com/bailey-run/bailey/internal/plan
	github.com/bailey-run/bailey/internal/policy github.com/bailey-run/bailey/internal/seccomp github.com/bailey-run/bailey/internal/terminal
	github.com/bailey-run/bailey/internal/trust github.com/bailey-run/bailey/internal/hook github.com/bailey-run/bailey/internal/graft github.com/bailey-run/bailey/internal/statefile
	github.com/bailey-run/bailey/internal/attempt github.com/bailey-run/bailey/internal/expect github.com/bailey-run/bailey/internal/junit github.com/bailey-run/bailey/internal/probe
	github.com/bmatcuk/doublestar/v4
	github.com/pelletier/go-toml/v2/unstable github.com/pelletier/go-toml/v2/internal/characters github.com/pelletier/go-toml/v2/internal/parserbridge
	mvdan.cc/sh/v3/syntax mvdan.cc/sh/v3/fileutil text/tabwriter regexp regexp/syntax
	github.com/bailey-run/bailey/internal/permission
	github.com/bailey-run/bailey/internal/agent github.com/bailey-run/bailey/internal/imports
	golang.org/x/net/bpf golang.org/x/sys/unix golang.org/x/term
`)

// gate are what the gate, the looking inside HTTP and the secrets need besides.
// Together they take some 0.2 ms at start, measured with GODEBUG=inittrace=1; what
// takes longest of them is named in RATIONALE.md.
var gate = strings.Fields(`
	compress/flate compress/gzip compress/zlib container/list crypto/aes crypto/des crypto/dsa crypto/ecdh crypto/ecdsa crypto/ed25519 crypto/elliptic
	crypto/hkdf crypto/hmac crypto/hpke crypto/md5 crypto/mlkem crypto/pbkdf2 crypto/rand crypto/rc4 crypto/rsa crypto/sha1 crypto/sha3 crypto/sha512
	crypto/tls crypto/tls/internal/fips140tls crypto/x509 crypto/x509/pkix encoding/asn1 encoding/pem github.com/bailey-run/bailey/internal/gate
	github.com/bailey-run/bailey/internal/hostname github.com/bailey-run/bailey/internal/inside github.com/bailey-run/bailey/internal/inspect github.com/bailey-run/bailey/internal/secret
	github.com/bailey-run/bailey/internal/urlpath github.com/godbus/dbus/v5 github.com/zalando/go-keyring github.com/zalando/go-keyring/secret_service
	golang.org/x/crypto/pbkdf2 golang.org/x/crypto/scrypt golang.org/x/net/idna golang.org/x/text/secure/bidirule golang.org/x/text/transform
	golang.org/x/text/unicode/bidi golang.org/x/text/unicode/norm hash/adler32 hash/crc32 log log/internal math/big mime mime/multipart
	mime/quotedprintable net net/http net/http/httptrace net/http/httputil net/http/internal net/http/internal/ascii net/http/internal/httpcommon
	net/netip net/textproto net/url os/user runtime/cgo html log/slog log/slog/internal log/slog/internal/buffer golang.org/x/net/dns/dnsmessage
	github.com/bailey-run/bailey/internal/anchor
`)

// heavy are packages that somebody will want one day, with what they cost.
var heavy = map[string]string{
	"text/template": "reflection over its functions at start, and it keeps every exported method alive",
	"testing":       "registers flags",
}

func TestDependencies(t *testing.T) {
	list := exec.Command("go", "list", "-deps", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is built
	out, err := list.Output()
	if err != nil {
		t.Skip("go list:", err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(pkg, "internal/") || strings.HasPrefix(pkg, "crypto/internal/") || strings.HasPrefix(pkg, "vendor/golang.org/x/") {
			continue // what the packages of the standard library below need
		}
		if why, is := heavy[pkg]; is {
			t.Errorf("%s is linked: %s", pkg, why)
		} else if !slices.Contains(allowed, pkg) && !slices.Contains(gate, pkg) {
			t.Errorf("%s is linked and not on the list", pkg)
		}
	}
}

// These hold what the packages do before main by what they allocate: a clock would
// measure the machine. They are a little above what is there: the most has fileutil
// with 15 KB in 104 allocations, at some 100 us; all together have 75 KB in 440.
const (
	maxInitBytes  = 20_000
	maxInitAllocs = 130
	allInitBytes  = 100_000
	allInitAllocs = 600
)

func TestInit(t *testing.T) {
	cmd := exec.Command(program(t), "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	line := regexp.MustCompile(`(?m)^init (\S+) @\S+ ms, \S+ ms clock, (\d+) bytes, (\d+) allocs$`)
	traced, allBytes, allAllocs := 0, 0, 0
	for _, m := range line.FindAllStringSubmatch(string(out), -1) {
		traced++
		bytes, err1 := strconv.Atoi(m[2])
		allocs, err2 := strconv.Atoi(m[3])
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(m[1], "bailey") && allocs > 0 {
			t.Errorf("%s allocates at start: nothing of ours may work in init or in package-level variables", m[1])
		}
		if bytes > maxInitBytes || allocs > maxInitAllocs {
			t.Errorf("%s takes %d bytes in %d allocations at start", m[1], bytes, allocs)
		}
		allBytes, allAllocs = allBytes+bytes, allAllocs+allocs
	}
	if traced == 0 {
		t.Fatalf("no trace was read:\n%s", out)
	}
	if allBytes > allInitBytes || allAllocs > allInitAllocs {
		t.Errorf("all packages together take %d bytes in %d allocations at start", allBytes, allAllocs)
	}
}
