//go:build linux

package probe

import (
	"encoding/json"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// SARIF 2.1.0, https://docs.oasis-open.org/sarif/sarif/v2.1.0/: what code scanning
// services read. A rule a probe, a result for each that did not hold.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool     `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	URI     string      `json:"informationUri,omitempty"`
	Rules   []sarifRule `json:"rules"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID         string            `json:"id"`
	Short      sarifText         `json:"shortDescription"`
	Full       sarifText         `json:"fullDescription"`
	Help       sarifText         `json:"help"`
	Properties map[string]string `json:"properties"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	RuleIndex int             `json:"ruleIndex"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations"`
}

type sarifLocation struct {
	Physical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	} `json:"physicalLocation"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

// WriteSARIF prints what did not hold in the form of static analysis results. Each
// needs a place: the rule of the policy, or else the policy file.
func (p *Proof) WriteSARIF(w io.Writer) error {
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "bailey prove", Version: p.Bailey, URI: "https://github.com/bailey-run/bailey", Rules: []sarifRule{}}
	for i := range p.Results {
		r := &p.Results[i]
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: r.Probe.ID, Short: sarifText{r.Probe.Title}, Full: sarifText{r.Probe.Why},
			Help: sarifText{"Wall: " + r.Probe.Wall + ". Fix: " + r.Probe.Fix + ". See " + r.Probe.Link() + "."}, Properties: map[string]string{"severity": string(r.Probe.Severity), "category": r.Probe.Category()}})
		level := ""
		switch {
		case p.Fails(r):
			level = "error"
		case r.Status == Escaped:
			level = "warning"
		default:
			continue
		}
		res := sarifResult{RuleID: r.Probe.ID, RuleIndex: i, Level: level, Message: sarifText{string(r.Status) + ": " + r.Probe.Title + ": " + r.reason() + ". Fix: " + r.fix()}}
		var at sarifLocation
		at.Physical.Artifact.URI = "bailey.toml"
		if file, line, ok := cutLine(r.Rule.Where); ok && r.Rule.Granted {
			at.Physical.Artifact.URI, at.Physical.Region = artifact(strings.TrimPrefix(file, p.Root+"/")), &sarifRegion{line}
		}
		res.Locations = []sarifLocation{at}
		run.Results = append(run.Results, res)
	}
	text, err := json.MarshalIndent(sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// artifact is a path as the URI that SARIF wants: relative to the project, or a
// file of this machine.
func artifact(path string) string {
	u := url.URL{Path: path}
	if strings.HasPrefix(path, "/") {
		u.Scheme = "file"
	}
	return u.String()
}

// cutLine splits FILE:LINE.
func cutLine(where string) (file string, line int, ok bool) {
	i := strings.LastIndexByte(where, ':')
	if i <= 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(where[i+1:])
	return where[:i], n, err == nil && n > 0
}
