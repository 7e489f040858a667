package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"mqtt-stomp-bridge/mapping/contract"
	"mqtt-stomp-bridge/mapping/source"
)

// A TestUpdate is a file with the payloads that its failing tests expect brought up to date.
type TestUpdate struct {
	File  string
	Text  []byte
	Tests int // how many were changed
}

// UpdateTests returns the files in which tests fail that expect other payloads than came, with what
// came in their place; all else of a file, comments too, is as it was. read returns the text of a
// file as it was when it was compiled. A test stays as it is where its event was rejected or
// filtered by surprise, where audiences differ, and where YAML anchors share what it expects.
func (m *Mapper) UpdateTests(read func(file string) ([]byte, error)) ([]TestUpdate, error) {
	var files []*source.File
	failing := map[*source.File][]*test{}
	for _, t := range m.tests {
		if t.run(m).Problem == nil {
			continue
		}
		if !slices.Contains(files, t.file) {
			files = append(files, t.file)
		}
		failing[t.file] = append(failing[t.file], t)
	}
	var updates []TestUpdate
	for _, f := range files {
		data, err := read(f.Name)
		if err != nil {
			return nil, err
		}
		u := testUpdater{mapper: m, text: source.NewText(data), changed: map[*yaml.Node]updatedStep{}}
		tests := 0
		for _, t := range failing[f] {
			if u.test(t) {
				tests++
			}
		}
		if tests == 0 {
			continue
		}
		text := u.text.Bytes()
		if err := u.check(f, text); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		updates = append(updates, TestUpdate{f.Name, text, tests})
	}
	return updates, nil
}

// A testUpdater changes the tests of one file.
type testUpdater struct {
	mapper  *Mapper
	text    *source.Text
	changed map[*yaml.Node]updatedStep // what a step expects -> the step
}

// An updatedStep is a step with what came of it.
type updatedStep struct {
	*step
	result stepResult
}

// test changes what the steps of a test expect, where that can be done, and reports whether there is
// such a step.
func (u *testUpdater) test(t *test) bool {
	before := len(u.changed)
	for i, result := range t.results(u.mapper.NewTrial()) {
		if s := &t.steps[i]; s.want.diff(result) != "" {
			u.update(s, result)
		}
	}
	return len(u.changed) > before
}

// shares reports whether another step expects the same, by a merge key or an alias.
func (u *testUpdater) shares(s *step) bool {
	return slices.ContainsFunc(u.mapper.tests, func(t *test) bool {
		for i := range t.steps {
			if other := &t.steps[i]; other != s && other.expect == s.expect {
				return true
			}
		}
		return false
	})
}

// update changes what the step expects, where that can be done.
func (u *testUpdater) update(t *step, result stepResult) {
	var unexpected differ
	unexpected.rejections(t.want.rejected, result.Rejections)
	if unexpected.Len() > 0 || len(result.Outputs) == 0 || t.expect == nil || t.expect.Kind != yaml.MappingNode || shared(t.expect) || u.shares(t) {
		return
	}
	got := map[string][]*yaml.Node{}
	for _, o := range result.Outputs {
		if want := t.want.outputs[o.Queue]; len(got[o.Queue]) < len(want) {
			var d differ
			if d.audiences(want[len(got[o.Queue])].who, o.Audience); d.Len() > 0 {
				return
			}
		}
		var doc yaml.Node
		if err := yaml.Load(o.Body, &doc); err != nil { // JSON is YAML
			return
		}
		got[o.Queue] = append(got[o.Queue], plain(doc.Content[0]))
	}
	mark := u.text.Mark()
	changed := u.payloads(t, got)
	if !changed {
		u.text.Reset(mark)
		changed = u.whole(t, got)
	}
	if changed {
		u.changed[t.expect] = updatedStep{t, result}
	}
}

// payloads changes the payloads one by one; it is false where not as many came of each queue.
func (u *testUpdater) payloads(t *step, got map[string][]*yaml.Node) bool {
	if len(t.want.outputs) != len(got) {
		return false
	}
	for i := 0; i+1 < len(t.expect.Content); i += 2 {
		queue, payloads := t.expect.Content[i].Value, []*yaml.Node{t.expect.Content[i+1]}
		if queue == "rejected" {
			continue
		}
		if payloads[0].Kind == yaml.SequenceNode {
			payloads = payloads[0].Content
		}
		if len(payloads) != len(got[queue]) {
			return false
		}
		for i, p := range payloads {
			if !u.payload(p, got[queue][i]) {
				return false
			}
		}
	}
	return true
}

// payload changes the values that differ, or the payload as a whole where its fields do.
func (u *testUpdater) payload(want, got *yaml.Node) bool {
	mark := u.text.Mark()
	fields := *want
	if i := audienceAt(want); i >= 0 {
		fields.Content = slices.Delete(slices.Clone(want.Content), i, i+2)
	}
	if u.value(&fields, got, want.Style&yaml.FlowStyle != 0) {
		return true
	}
	u.text.Reset(mark)
	return audienceAt(want) < 0 && u.replace(want, got)
}

// value changes the scalars that differ; it is false where more than these do.
func (u *testUpdater) value(want, got *yaml.Node, flow bool) bool {
	flow = flow || want.Style&yaml.FlowStyle != 0
	switch {
	case want.Kind != got.Kind || len(want.Content) != len(got.Content):
		return false
	case want.Kind == yaml.ScalarNode:
		if bytes.Equal(appendScalar(nil, want), appendScalar(nil, got)) {
			return true
		}
		text, ok := scalarLike(want, got, flow)
		return ok && u.text.Replace(want, text)
	case want.Kind == yaml.SequenceNode:
		for i := range want.Content {
			if !u.value(want.Content[i], got.Content[i], flow) {
				return false
			}
		}
		return true
	}
	for i := 0; i < len(want.Content); i += 2 {
		came := valueOf(got, want.Content[i].Value)
		if came == nil || !u.value(want.Content[i+1], came, flow) {
			return false
		}
	}
	return true
}

// whole changes everything that the test expects, but for rejections.
func (u *testUpdater) whole(t *step, got map[string][]*yaml.Node) bool {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, queue := range contract.QueueNames() {
		var v *yaml.Node
		switch payloads := got[queue]; len(payloads) {
		case 0:
			continue
		case 1:
			v = payloads[0]
		default:
			v = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: payloads}
		}
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: queue}, v)
	}
	for _, payloads := range t.want.outputs {
		if slices.ContainsFunc(payloads, func(e expected) bool { return e.who != nil }) {
			return false
		}
	}
	for i := 0; i+1 < len(t.expect.Content); i += 2 {
		if t.expect.Content[i].Value == "rejected" {
			n.Content = append(n.Content, t.expect.Content[i], t.expect.Content[i+1])
		}
	}
	return u.replace(t.expect, n)
}

// replace puts got in the place of want, in its style.
func (u *testUpdater) replace(want, got *yaml.Node) bool {
	if want.Style&yaml.FlowStyle != 0 {
		got.Style |= yaml.FlowStyle
	}
	text, err := yaml.Dump(got, yaml.WithIndent(2), yaml.WithLineWidth(-1))
	if err != nil {
		return false
	}
	indented := strings.ReplaceAll(strings.TrimSuffix(string(text), "\n"), "\n", "\n"+strings.Repeat(" ", want.Column-1))
	return u.text.Replace(want, indented)
}

// check holds the new text against the old file: it must differ in what the changed tests expect
// alone, and these must pass.
func (u *testUpdater) check(f *source.File, text []byte) error {
	errSpoiled := errors.New("its tests cannot be updated without changing more; do it by hand")
	var report source.Report
	changed := source.Parse(f.Name, text, &report)
	s := sameNodes{except: u.changed, now: map[*yaml.Node]*yaml.Node{}}
	if len(report.Problems()) > 0 || f.Root == nil || changed.Root == nil || !s.same(f.Root, changed.Root) {
		return errSpoiled
	}
	for expect, t := range u.changed {
		updated := step{node: t.node}
		r := testReader{in: &reader{file: changed, report: &report}, node: t.node}
		r.keys = keys{pairs: map[string]source.Pair{"expect": {Value: s.now[expect]}}}
		if s.now[expect] == nil {
			return errSpoiled
		}
		r.readExpect(&updated)
		if len(report.Problems()) > 0 || updated.want.diff(t.result) != "" {
			return errSpoiled
		}
	}
	return nil
}

// sameNodes compares two trees and keeps what stands in the place of the exceptions.
type sameNodes struct {
	except map[*yaml.Node]updatedStep
	now    map[*yaml.Node]*yaml.Node
}

func (s *sameNodes) same(a, b *yaml.Node) bool {
	if s.except[a].step != nil {
		s.now[a] = b
		return true
	}
	if a.Kind != b.Kind || a.Tag != b.Tag || a.Value != b.Value || a.Anchor != b.Anchor || a.Style != b.Style ||
		len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !s.same(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

// shared reports whether an anchor, an alias or a merge key is in n, so that a change of it would
// be one elsewhere.
func shared(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Anchor != "" || n.Value == "<<" || slices.ContainsFunc(n.Content, shared)
}

// plain takes the quotes and braces of JSON away; those that YAML needs come back when it is
// written.
func plain(n *yaml.Node) *yaml.Node {
	n.Style = 0
	for _, c := range n.Content {
		plain(c)
	}
	return n
}

// scalarLike returns the text of a scalar in the quotes that another has.
func scalarLike(want, got *yaml.Node, flow bool) (text string, ok bool) {
	n := yaml.Node{Kind: yaml.ScalarNode, Tag: got.Tag, Value: got.Value}
	if got.Tag == "!!str" {
		n.Style = want.Style & (yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle)
		if n.Style == 0 && flow && strings.ContainsAny(n.Value, ",[]{}") {
			n.Style = yaml.SingleQuotedStyle
		}
	}
	b, err := yaml.Dump(&n, yaml.WithLineWidth(-1))
	text = strings.TrimSuffix(string(b), "\n")
	if strings.Contains(text, "\n") { // a block scalar
		n.Style = yaml.DoubleQuotedStyle
		b, err = yaml.Dump(&n, yaml.WithLineWidth(-1))
		text = strings.TrimSuffix(string(b), "\n")
	}
	return text, err == nil && !strings.Contains(text, "\n")
}

// audienceAt returns where the audience of an expected payload stands in its content; -1: it has
// none.
func audienceAt(n *yaml.Node) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "audience" {
			return i
		}
	}
	return -1
}

// valueOf returns the value of a key in a mapping; nil where it is not there.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
