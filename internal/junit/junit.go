// Package junit writes the XML form of test results that continuous integration
// reads. The form has no standard; what is written is what all of its readers
// agree on: suites of cases, each with at most one failure or one skip.
//
// It does not use encoding/xml: the table of HTML entities there is made at the
// start of every program that links it, 14 us and 19 kB for each command in a box.
// The tests read everything back with it.
package junit

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
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

// Write writes suites as one document. What XML 1.0 cannot hold (control
// characters, bytes that are no UTF-8) is replaced by U+FFFD.
func Write(w io.Writer, suites ...Suite) error {
	var all count
	for _, s := range suites {
		all.add(s)
	}
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<testsuites" + all.attributes() + ">\n")
	for _, s := range suites {
		s.write(&b)
	}
	b.WriteString("</testsuites>\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write junit: %w", err)
	}
	return nil
}

func (s Suite) write(b *strings.Builder) {
	var own count
	own.add(s)
	b.WriteString("  <testsuite" + attribute("name", s.Name) + own.attributes() + ">\n")
	for _, c := range s.Cases {
		b.WriteString("    <testcase" + attribute("classname", c.Class) + attribute("name", c.Name) + attribute("time", seconds(c.Seconds)))
		inner := c.inner()
		if inner == "" {
			b.WriteString("/>\n")
			continue
		}
		b.WriteString(">\n" + inner + "    </testcase>\n")
	}
	b.WriteString("  </testsuite>\n")
}

// inner is what stands inside the element of a case.
func (c Case) inner() string {
	out := ""
	switch {
	case c.Failure != "":
		out = because("failure", c.Failure)
	case c.Skipped != "":
		out = because("skipped", c.Skipped)
	}
	if c.Output != "" {
		out += "      <system-out>" + escape(c.Output) + "</system-out>\n"
	}
	return out
}

// because gives the summary of a reason as an attribute and, when there is more,
// all of it as text.
func because(element, text string) string {
	first, _, more := strings.Cut(text, "\n")
	open := "      <" + element + attribute("message", first)
	if !more {
		return open + "/>\n"
	}
	return open + ">" + escape(text) + "</" + element + ">\n"
}

// count is what the attributes of a list of cases sum up.
type count struct {
	tests, failures, skipped int
	time                     float64
}

func (n *count) add(s Suite) {
	for _, c := range s.Cases {
		n.tests++
		switch {
		case c.Failure != "":
			n.failures++
		case c.Skipped != "":
			n.skipped++
		}
		if finite(c.Seconds) {
			n.time += c.Seconds
		}
	}
}

func (n *count) attributes() string {
	return attribute("tests", strconv.Itoa(n.tests)) + attribute("failures", strconv.Itoa(n.failures)) + attribute("errors", "0") +
		attribute("skipped", strconv.Itoa(n.skipped)) + attribute("time", seconds(n.time))
}

func attribute(name, value string) string { return " " + name + `="` + escape(value) + `"` }

func finite(s float64) bool { return s >= 0 && !math.IsInf(s, 1) }

// seconds never writes an exponent, NaN or a negative number: readers choke.
func seconds(s float64) string {
	if !finite(s) {
		s = 0
	}
	return strconv.FormatFloat(s, 'f', 3, 64)
}

// escape makes s fit for text and for attributes in double quotes. White space
// is written as references, which readers keep as it is in attributes too. What
// XML 1.0 forbids (section 2.2 of its specification) may not even stand there as
// a reference.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s { // what is no UTF-8 arrives as U+FFFD
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>': // only as ]]> it is forbidden in text
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&#34;")
		case r == '\n', r == '\t', r == '\r':
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		case r < 0x20, r == 0xfffe, r == 0xffff:
			b.WriteRune('\ufffd')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
