package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// allowed are the packages that bailey may link: start-up is the price of every
// command, and each package can only add to it. What is not here needs a reason,
// a look at GODEBUG=inittrace=1, and a line.
var allowed = strings.Fields(`
	bufio bytes cmp context crypto crypto/cipher crypto/fips140 crypto/sha256 crypto/subtle embed encoding encoding/base64 encoding/binary encoding/hex encoding/json
	errors fmt hash hash/fnv io io/fs io/ioutil iter maps math math/bits math/big math/rand math/rand/v2 os os/exec os/signal path path/filepath
	reflect runtime runtime/debug slices sort strconv strings sync sync/atomic syscall time unicode unicode/utf16 unicode/utf8 unique unsafe weak
	structs
	github.com/bailey-run/bailey github.com/bailey-run/bailey/cmd/bailey
	github.com/bailey-run/bailey/internal/audit github.com/bailey-run/bailey/internal/host github.com/bailey-run/bailey/internal/layers
	github.com/bailey-run/bailey/internal/linux github.com/bailey-run/bailey/internal/name github.com/bailey-run/bailey/internal/plan
	github.com/bailey-run/bailey/internal/policy github.com/bailey-run/bailey/internal/seccomp github.com/bailey-run/bailey/internal/terminal
	github.com/bailey-run/bailey/internal/trust
	github.com/bmatcuk/doublestar/v4
	github.com/pelletier/go-toml/v2/unstable github.com/pelletier/go-toml/v2/internal/characters github.com/pelletier/go-toml/v2/internal/parserbridge
	golang.org/x/net/bpf golang.org/x/sys/unix golang.org/x/term
`)

// gate are what the gate, the looking inside HTTP and the secrets need besides.
// Together they take some 0.2 ms at start, measured with GODEBUG=inittrace=1; what
// takes longest of them is named in RATIONALE.md.
var gate = strings.Fields(`
	compress/flate compress/gzip compress/zlib container/list crypto/aes crypto/des crypto/dsa crypto/ecdh crypto/ecdsa crypto/ed25519 crypto/elliptic
	crypto/hkdf crypto/hmac crypto/hpke crypto/md5 crypto/mlkem crypto/pbkdf2 crypto/rand crypto/rc4 crypto/rsa crypto/sha1 crypto/sha3 crypto/sha512
	crypto/tls crypto/tls/internal/fips140tls crypto/x509 crypto/x509/pkix encoding/asn1 encoding/pem github.com/bailey-run/bailey/internal/gate
	github.com/bailey-run/bailey/internal/hostname github.com/bailey-run/bailey/internal/inspect github.com/bailey-run/bailey/internal/secret
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
	"regexp":        "patterns compiled at package level",
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

// maxInit is far above what any package here takes (the most is some 60 us, in
// the runtime) and far below what a mistake costs. Not a measurement: the machine
// may be busy, so the best of several starts counts.
const maxInit = 300 * time.Microsecond

func TestInit(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "bailey")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("go build: %v\n%s", err, out)
	}
	line := regexp.MustCompile(`(?m)^init (\S+) @\S+ ms, (\S+) ms clock, (\d+) bytes, (\d+) allocs$`)
	best := map[string]time.Duration{}
	for range 5 {
		cmd := exec.Command(bin, "version")
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, m := range line.FindAllStringSubmatch(string(out), -1) {
			ms, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			took := time.Duration(ms * float64(time.Millisecond))
			if was, ok := best[m[1]]; !ok || took < was {
				best[m[1]] = took
			}
			if allocs, _ := strconv.Atoi(m[4]); strings.Contains(m[1], "bailey") && allocs > 0 {
				t.Errorf("%s allocates at start: nothing of ours may work in init or in package-level variables", m[1])
			}
		}
	}
	if len(best) == 0 {
		t.Fatal("no trace was read")
	}
	for pkg, took := range best {
		if took > maxInit {
			t.Errorf("init of %s takes %v", pkg, took)
		}
	}
}
