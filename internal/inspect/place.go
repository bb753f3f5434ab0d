package inspect

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/bailey-run/bailey/internal/secret"
)

// place puts secrets in the places of a decided request where their placeholders
// stand, and looks for secrets everywhere else.
func (c *conn) place(r *http.Request, e *exchange) error {
	if c.secrets.Empty() {
		return nil
	}
	var puts []func() error
	skip := map[*string]bool{}
	query := r.URL.RawQuery
	pairs := strings.Split(query, "&")
	for i := range e.uses {
		u := &e.uses[i]
		if u.Query != "" {
			for j, pair := range pairs {
				put, ok := c.inQuery(r, u, pair)
				if !ok {
					continue
				}
				puts = append(puts, func() error {
					text, err := put()
					pairs[j] = text
					return err
				})
			}
			continue
		}
		key := "Authorization"
		if u.Header != "" {
			key = http.CanonicalHeaderKey(u.Header)
		}
		values := r.Header[key]
		for j := range values {
			put, ok := c.inHeader(r, u, values[j])
			if !ok || skip[&values[j]] {
				continue
			}
			skip[&values[j]] = true
			puts = append(puts, func() error {
				text, err := put()
				values[j] = text
				return err
			})
		}
	}
	// What is put in the query is left out of what is looked at.
	rest := make([]string, 0, len(pairs))
	for _, pair := range pairs {
		if !c.placed(r, e, pair) {
			rest = append(rest, pair)
		}
	}
	if leak := c.scanHead(r, strings.Join(rest, "&"), skip); leak != nil {
		return c.note(e, leak)
	}
	if err := c.guardBody(r, e); err != nil {
		return err
	}
	for _, put := range puts {
		if err := put(); err != nil {
			return err
		}
	}
	if len(puts) > 0 {
		r.URL.RawQuery = strings.Join(pairs, "&")
		// An echo that is fetched in pieces could not be masked.
		r.Header.Del("Range")
		r.Header.Del("If-Range")
	}
	if len(e.uses) > 0 {
		// What is compressed could not be masked either.
		if r.Header.Get("Accept-Encoding") != "" {
			r.Header.Set("Accept-Encoding", "identity")
		}
		r.Header.Del("Sec-Websocket-Extensions")
	}
	return nil
}

func (c *conn) placed(r *http.Request, e *exchange, pair string) bool {
	for i := range e.uses {
		if u := &e.uses[i]; u.Query != "" {
			if _, ok := c.inQuery(r, u, pair); ok {
				return true
			}
		}
	}
	return false
}

// inHeader says whether a header's value is the placeholder in its place, and how
// to put the secret there.
func (c *conn) inHeader(r *http.Request, u *secret.Use, value string) (put func() (string, error), ok bool) {
	if u.Basic != "" {
		scheme, coded, _ := strings.Cut(value, " ")
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(coded))
		user, pass, found := strings.Cut(string(raw), ":")
		if !strings.EqualFold(scheme, "Basic") || err != nil || !found || pass != u.Placeholder || user != u.Basic && u.Basic != "*" {
			return nil, false
		}
		return func() (string, error) {
			v, err := u.Value(r.Context())
			if err != nil {
				return "", err
			}
			defer v.Wipe()
			text := append([]byte(user+":"), v.Reveal()...)
			defer clear(text)
			return "Basic " + base64.StdEncoding.EncodeToString(text), nil
		}, true
	}
	before, after, ok := around(value, u.Format, u.Placeholder)
	if !ok {
		return nil, false
	}
	return func() (string, error) {
		v, err := u.Value(r.Context())
		if err != nil {
			return "", err
		}
		defer v.Wipe()
		return before + string(v.Reveal()) + after, nil
	}, true
}

// around is what stands around a placeholder, when that is as the format says.
// Without a format it stands alone, or behind one word, as in "token X".
func around(value, format, placeholder string) (before, after string, ok bool) {
	before, after, ok = strings.Cut(value, placeholder)
	if !ok {
		return "", "", false
	}
	if format == "" {
		word, spaced := strings.CutSuffix(before, " ")
		plain := before == "" || spaced && word != "" && strings.Trim(strings.ToLower(word), "abcdefghijklmnopqrstuvwxyz-") == ""
		return before, after, plain && after == ""
	}
	wantBefore, wantAfter, _ := strings.Cut(format, "{}")
	// Names of schemes know no case (RFC 9110, 11.1).
	return before, after, strings.EqualFold(before, wantBefore) && after == wantAfter
}

// inQuery is inHeader for one part of a query.
func (c *conn) inQuery(r *http.Request, u *secret.Use, pair string) (put func() (string, error), ok bool) {
	key, value, found := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(key)
	if !found || err != nil || name != u.Query {
		return nil, false
	}
	text, err := url.QueryUnescape(value)
	if err != nil {
		return nil, false
	}
	format := u.Format
	if format == "" {
		format = "{}"
	}
	before, after, ok := around(text, format, u.Placeholder)
	if !ok {
		return nil, false
	}
	return func() (string, error) {
		v, err := u.Value(r.Context())
		if err != nil {
			return "", err
		}
		defer v.Wipe()
		return key + "=" + url.QueryEscape(before+string(v.Reveal())+after), nil
	}, true
}
