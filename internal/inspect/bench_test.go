package inspect

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/bailey-run/bailey/internal/plan"
)

func benchSecrets(b *testing.B, f func(b *testing.B, secrets []plan.NetSecret)) {
	b.Run("without secrets", func(b *testing.B) { f(b, nil) })
	b.Run("with secrets", func(b *testing.B) { f(b, someSecrets()) })
}

// BenchmarkRequest is one small request on an open connection, HTTP/2 on both
// sides, with the client and the server in the same process.
func BenchmarkRequest(b *testing.B) {
	benchSecrets(b, func(b *testing.B, secrets []plan.NetSecret) {
		w := newWorld(b, setup{secrets: secrets, env: someEnv()}, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
		c := w.client(true)
		get(b, c, request(b, "GET", w.url("/"), nil))
		for b.Loop() {
			get(b, c, request(b, "GET", w.url("/"), nil))
		}
	})
}

// BenchmarkDownload is a large answer.
func BenchmarkDownload(b *testing.B) {
	const size = 64 << 20
	benchSecrets(b, func(b *testing.B, secrets []plan.NetSecret) {
		w := newWorld(b, setup{h1: true, secrets: secrets, env: someEnv()}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			io.Copy(w, &zeros{size})
		})
		c := w.client(false)
		b.SetBytes(size)
		for b.Loop() {
			res, err := c.Get(w.url("/"))
			if err != nil {
				b.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, res.Body); err != nil || n != size {
				b.Fatal(n, err)
			}
			res.Body.Close()
		}
	})
}
