package inspect

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/plan"
)

// refusal is the body of an answer of our own.
type refusal struct {
	Error  string `json:"error"` // "denied" or "failed"
	By     string `json:"by"`    // "bailey"
	Host   string `json:"host"`
	Port   uint16 `json:"port"`
	Method string `json:"method"`
	Path   string `json:"path"`           // without the query, and shortened
	Why    string `json:"why"`            //
	Rule   string `json:"rule,omitempty"` // what refused it, as it was written; absent when no rule matched
	File   string `json:"file,omitempty"` // where that rule is
	Line   int    `json:"line,omitempty"`
	Allow  string `json:"allow,omitempty"` // a line for network.allow that would allow it
	Hint   string `json:"hint,omitempty"`
}

// refuse answers a request that the rules refuse, and tells of it.
func (c *conn) refuse(w http.ResponseWriter, r *http.Request, e *exchange, v verdict, hint string) {
	body := refusal{Error: "denied", Why: v.why, Hint: hint}
	d := gate.Denial{Op: "request", Target: c.show(e), Rule: v.why, Hint: hint}
	if v.rule != nil {
		body.Rule, body.File, body.Line = v.rule.Text, v.rule.From.File, v.rule.From.Line
		d.Rule, d.From = v.rule.Text, v.rule.From
	} else if hint == "" {
		// The rules that were asked in vain are where the missing one belongs.
		from := c.reason().From
		body.File, body.Line, d.From = from.File, from.Line, from
	}
	if hint == "" && v.rule == nil && e.method != strings.ToUpper(e.method) {
		body.Hint = "methods are written in capitals"
		d.Hint = body.Hint
	} else if hint == "" && v.rule == nil && c.holds(e.path) == "" {
		body.Allow = suggest(c.t, e.method, e.path)
		d.Hint = "to allow it: " + body.Allow
	} else if v.rule != nil {
		body.Hint = "a deny rule wins over every allow rule: change it, or leave it out"
		d.Hint = body.Hint
	}
	c.deny(d)
	c.write(w, r, http.StatusForbidden, body, e)
}

// refuseLeak does the same for a secret where it must not be.
func (c *conn) refuseLeak(w http.ResponseWriter, r *http.Request, e *exchange, leak *leakError) {
	rule := "secrets." + leak.name
	if leak.name == "" {
		rule = "secrets"
	}
	c.deny(gate.Denial{Op: "secret", Target: c.show(e), Rule: rule, From: leak.from, Hint: leak.hint})
	c.write(w, r, http.StatusForbidden, refusal{Error: "denied", Why: leak.Error(), Rule: rule, File: leak.from.File, Line: leak.from.Line, Hint: leak.hint}, e)
}

// write sends an answer of our own.
func (c *conn) write(w http.ResponseWriter, r *http.Request, status int, body refusal, e *exchange) {
	body.By, body.Host, body.Port, body.Method, body.Path = "bailey", c.t.Host, c.t.Port, e.method, c.shownPath(e)
	raw, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		raw = []byte(`{"error": "denied", "by": "bailey"}`)
	}
	raw = append(raw, '\n')
	h := w.Header()
	clear(h)
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	h.Set("Cache-Control", "no-store")
	if !r.ProtoAtLeast(2, 0) && r.ContentLength != 0 {
		// The body that was not read is not taken for the next request.
		h.Set("Connection", "close")
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(raw)
	}
}

// deny tells of a refusal, if there is somebody to tell.
func (c *conn) deny(d gate.Denial) {
	if c.t.Denied != nil {
		c.t.Denied(d)
	}
}

// reason is the rule because of which a connection is inspected.
func (c *conn) reason() plan.NetRule {
	for _, r := range c.t.Allow {
		if r.Inspect {
			return r
		}
	}
	for _, rules := range [...][]plan.NetRule{c.t.Allow, c.t.Deny} {
		if len(rules) > 0 {
			return rules[0]
		}
	}
	return plan.NetRule{Text: "inspect"}
}

// upstreamError says what went wrong towards the server. A hint is there when it
// is the server's identity that is wrong.
func upstreamError(err error) (why, hint string) {
	var (
		unknown  x509.UnknownAuthorityError
		name     x509.HostnameError
		invalid  x509.CertificateInvalidError
		verifies *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &verifies):
		return "the server's certificate is not valid: " + err.Error(), "nothing was sent; the host must trust the authority of this server"
	}
	return "the server cannot be reached, or broke off: " + err.Error(), ""
}
