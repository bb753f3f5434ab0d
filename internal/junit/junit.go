// Package junit writes the XML form of test results that continuous integration
// reads. The form has no standard; what is written is what all of its readers
// agree on: suites of cases, each with at most one failure or one skip.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Suite is a list of cases under one name.
type Suite struct {
	Name  string
	Cases []Case
}

// Case is the result of one test. It passed when neither Failure nor Skipped says
// something; of the two, Failure counts.
type Case struct {
	Class, Name string
	Seconds     float64
	Failure     string // why it failed; the first line is the summary
	Skipped     string // why it was not run
	Output      string // what else is to be known
}

type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Time     string   `xml:"time,attr"`
	Suites   []suite  `xml:"testsuite"`
}

type suite struct {
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Time     string     `xml:"time,attr"`
	Cases    []testcase `xml:"testcase"`
}

type testcase struct {
	Class   string  `xml:"classname,attr"`
	Name    string  `xml:"name,attr"`
	Time    string  `xml:"time,attr"`
	Failure *reason `xml:"failure"`
	Skipped *reason `xml:"skipped"`
	Output  string  `xml:"system-out,omitempty"`
}

type reason struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Write writes suites as one document. What XML 1.0 cannot hold (control
// characters, bytes that are no UTF-8) is replaced by U+FFFD.
func Write(w io.Writer, all ...Suite) error {
	doc := suites{}
	var total float64
	for _, s := range all {
		out, took := s.element()
		doc.Tests += out.Tests
		doc.Failures += out.Failures
		doc.Skipped += out.Skipped
		total += took
		doc.Suites = append(doc.Suites, out)
	}
	doc.Time = seconds(total)
	text, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("write junit: %w", err)
	}
	if _, err := w.Write([]byte(xml.Header + string(text) + "\n")); err != nil {
		return fmt.Errorf("write junit: %w", err)
	}
	return nil
}

func (s Suite) element() (suite, float64) {
	out := suite{Name: legal(s.Name), Tests: len(s.Cases)}
	var total float64
	for _, c := range s.Cases {
		t := testcase{Class: legal(c.Class), Name: legal(c.Name), Time: seconds(c.Seconds), Output: legal(c.Output)}
		switch {
		case c.Failure != "":
			t.Failure = because(c.Failure)
			out.Failures++
		case c.Skipped != "":
			t.Skipped = because(c.Skipped)
			out.Skipped++
		}
		if finite(c.Seconds) {
			total += c.Seconds
		}
		out.Cases = append(out.Cases, t)
	}
	out.Time = seconds(total)
	return out, total
}

// because splits a reason into its summary and, when there is more, all of it.
func because(text string) *reason {
	text = legal(text)
	first, _, more := strings.Cut(text, "\n")
	if !more {
		return &reason{Message: first}
	}
	return &reason{Message: first, Text: text}
}

func finite(s float64) bool { return s >= 0 && !math.IsInf(s, 1) }

// seconds never writes an exponent, NaN or a negative number: readers choke.
func seconds(s float64) string {
	if !finite(s) {
		s = 0
	}
	return strconv.FormatFloat(s, 'f', 3, 64)
}

// legal replaces what XML 1.0 forbids (section 2.2 of its specification), even as
// a character reference.
func legal(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r':
			return r
		case r < 0x20, r == 0xfffe, r == 0xffff:
			return utf8.RuneError
		}
		return r // what is no UTF-8 arrives here as RuneError
	}, s)
}
