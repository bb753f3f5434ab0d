package bailey

import (
	"context"
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/inside"
	"github.com/bailey-run/bailey/internal/policy"
)

// grantedRule is where a rule comes from that a person added while the box ran.
var grantedRule = policy.Source{Layer: policy.LayerFlag, File: "granted"}

// host answers for HOST:PORT. A yes is one more rule of the running gate.
func (r *requests) host(ctx context.Context, q approval.Question) inside.Answer {
	b := r.box
	rule, problem, hint := policy.ParseNetRule(q.Subject)
	if problem != "" || strings.ContainsAny(q.Subject, "* #") || len(rule.Ports) != 1 || rule.Ports[0].First != rule.Ports[0].Last {
		if problem == "" {
			problem = "it is not one host and one port"
		}
		return inside.Answer{Error: problem, Hint: hint}
	}
	if b.network == nil {
		return inside.Answer{Reason: "this box was opened without a network, and gets none while it runs", Hint: "a person can: bailey run --allow-net " + q.Subject}
	}
	if b.network.proxy != nil {
		return inside.Answer{Reason: "in tier landlock hosts are not added to a running box", Hint: "a person can: bailey run --allow-net " + q.Subject}
	}
	cfg := b.plan.config
	cfg.AllowNet = append(slices.Clip(cfg.AllowNet), q.Subject)
	if b.loosens(cfg) != nil {
		return inside.Answer{Reason: notGranted, Hint: "go on without it"}
	}
	a := b.ask(ctx, q)
	if !a.Allow {
		return r.said(q, a, "")
	}
	if err := b.allowHost(q.Subject); err != nil {
		return inside.Answer{Scope: string(a.Scope), By: a.By, Reason: "it was granted, but could not be added: " + err.Error()}
	}
	return r.said(q, a, inside.Now)
}

// allowHost adds a rule to the running gate, as a new generation.
func (b *Box) allowHost(rule string) error {
	b.controlling.reloading.Lock()
	defer b.controlling.reloading.Unlock()
	next, err := b.network.plan.Load().With(rule, grantedRule)
	if err != nil {
		return err
	}
	if err := b.network.gate.Swap(next); err != nil {
		return err
	}
	b.network.plan.Store(next)
	b.network.granted = append(b.network.granted, rule)
	if lb, ok := b.backend.(linuxBox); ok {
		return b.network.again(lb.Box, next)
	}
	return nil
}

// denyHost takes a rule of allowHost from the running gate. Connections that it
// allowed are closed.
func (b *Box) denyHost(rule string) error {
	b.controlling.reloading.Lock()
	defer b.controlling.reloading.Unlock()
	was := b.network.plan.Load()
	next := *was
	next.Allow = nil
	for _, r := range was.Allow {
		if r.From != grantedRule || !strings.EqualFold(r.Text, rule) {
			next.Allow = append(next.Allow, r)
		}
	}
	if err := b.network.gate.Swap(&next); err != nil {
		return err
	}
	b.network.plan.Store(&next)
	b.network.granted = slices.DeleteFunc(b.network.granted, func(s string) bool { return s == rule })
	if lb, ok := b.backend.(linuxBox); ok {
		return b.network.again(lb.Box, &next)
	}
	return nil
}
