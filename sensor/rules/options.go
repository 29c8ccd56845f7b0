package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unique"
)

// defaultPriority is that of a rule without classtype and priority.
const defaultPriority = 3

// builder collects the options of one rule in their order: sticky buffers and
// content modifiers act on what came before them.
type builder struct {
	rule *Rule
	// list is the index of the current buffer's list in rule.lists, -1 while
	// the current buffer has no item yet.
	list  int
	buf   Buffer
	trans []transform
	// last is the content that modifiers act on.
	last     *content
	lastList int
	items    int
	needPkt  bool
	vars     map[string]varRef
	base64   *base64Test
	data     *Data
}

func newBuilder(r *Rule, data *Data) *builder {
	return &builder{rule: r, list: -1, vars: map[string]varRef{}, data: data}
}

type option struct {
	name, value string
	has         bool
}

// UnknownKeywordError names a keyword that this engine does not implement.
type UnknownKeywordError struct{ Keyword string }

// Error implements error.
func (e UnknownKeywordError) Error() string {
	return "unknown keyword " + strconv.Quote(clip(e.Keyword))
}

// options applies all options. After the first failure it still looks for the
// sid, so that a refusal can name its rule.
func (b *builder) options(text string) error {
	opts, err := splitOptions(text)
	for _, o := range opts {
		if err != nil {
			if o.name == "sid" {
				_ = b.apply(o) // the first reason is the one to report
			}
			continue
		}
		err = b.apply(o)
		var unknown UnknownKeywordError
		if err != nil && !errors.As(err, &unknown) {
			err = fmt.Errorf("%s: %w", clip(o.name), err)
		}
	}
	return err
}

// splitOptions cuts at semicolons that are not escaped, as Suricata does:
// quotes do not protect a semicolon.
func splitOptions(text string) ([]option, error) {
	var opts []option
	start := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ';':
			name, value, has := strings.Cut(text[start:i], ":")
			start = i + 1
			name = strings.TrimSpace(name)
			if name == "" && !has {
				continue
			}
			if len(opts) == maxOptions {
				return opts, fmt.Errorf("more than %d options", maxOptions)
			}
			opts = append(opts, option{name: name, value: strings.TrimSpace(value), has: has})
		}
	}
	if strings.TrimSpace(text[min(start, len(text)):]) != "" {
		return opts, fmt.Errorf("option %q has no semicolon", clip(strings.TrimSpace(text[start:])))
	}
	return opts, nil
}

var (
	errNoValue   = errors.New("needs a value")
	errNotNumber = errors.New("not a number (variables are not supported)")
)

// apply runs one option. The groups are tried in turn; each says whether the
// keyword is its own.
func (b *builder) apply(o option) error {
	for _, group := range []func(option) (bool, error){
		b.metaOption, b.contentOption, b.bufferOption, b.testOption, b.stateOption, b.headerOption, b.eventOption, b.dceOption, b.modbusOption, b.dnp3Option,
	} {
		known, err := group(o)
		if known {
			return err
		}
	}
	return UnknownKeywordError{o.name}
}

func (b *builder) metaOption(o option) (bool, error) {
	r := b.rule
	switch o.name {
	case "msg":
		r.Msg = strings.Clone(unescape(unquote(o.value)))
		return true, nil
	case "sid":
		return true, parseUint(o.value, &r.SID)
	case "gid":
		return true, parseUint(o.value, &r.GID)
	case "rev":
		return true, parseUint(o.value, &r.Rev)
	case "classtype":
		r.Class = shared(unquote(o.value))
		return true, nil
	case "priority":
		var n uint32
		err := parseUint(o.value, &n)
		if err == nil && (n < 1 || n > 255) {
			err = errors.New("outside 1 to 255")
		}
		r.Priority, r.ownPriority = int(n), true
		return true, err
	case "reference":
		kind, value, _ := strings.Cut(unquote(o.value), ",")
		r.References = append(r.References, Reference{shared(strings.TrimSpace(kind)), strings.Clone(strings.TrimSpace(value))})
		return true, nil
	case "metadata":
		list := unquote(o.value)
		r.Metadata = slices.Grow(r.Metadata, strings.Count(list, ",")+1)
		for pair := range strings.SplitSeq(list, ",") {
			key, value, _ := strings.Cut(strings.TrimSpace(pair), " ")
			if key != "" {
				r.Metadata = append(r.Metadata, Metadata{shared(key), shared(strings.TrimSpace(value))})
			}
		}
		return true, nil
	case "requires":
		return true, checkRequires(o.value)
	case "target":
		if o.value != "src_ip" && o.value != "dest_ip" {
			return true, errors.New("neither src_ip nor dest_ip")
		}
		r.Target = shared(o.value)
		return true, nil
	}
	return false, nil
}

// shared is a text that many rules have, kept once: a part of the rule's own
// text would keep all of it.
func shared(s string) string { return unique.Make(s).Value() }

func parseUint(s string, into *uint32) error {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	if err != nil {
		return errNotNumber
	}
	*into = uint32(n)
	return nil
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`;:"\`, s[i+1]) >= 0 {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// finish checks what can only be said of the whole rule.
func (b *builder) finish() error {
	r := b.rule
	if r.SID == 0 {
		return errors.New("no sid")
	}
	if len(b.trans) > 0 && b.list < 0 && b.base64 == nil {
		return errors.New("transform without content after it")
	}
	err := b.settleBase64()
	if err != nil {
		return err
	}
	for i := range r.lists {
		err := r.lists[i].compile()
		if err != nil {
			return err
		}
	}
	err = b.settleFileStore()
	if err != nil {
		return err
	}
	return b.resolveViews()
}

// resolveViews decides in which views the rule is judged, as Suricata does
// (SignatureSetup, SIG_FLAG_REQUIRE_PACKET and _STREAM): rules on fields in
// transactions; plain TCP content on the stream, and on packets too if it is
// anchored by offset or depth; everything else on packets.
func (b *builder) resolveViews() error {
	r := b.rule
	f := &r.flow
	payload := false
	anchored := false
	for i := range r.lists {
		l := &r.lists[i]
		if bufferTable[l.buf].packet {
			continue
		}
		if l.buf != BufferPayload {
			f.views |= 1 << ViewTransaction
			info := bufferTable[l.buf]
			if info.app != "" && r.proto.app == "" && l.optional() {
				r.proto.app = info.app
			}
			if !bufferOf(info.app, r.proto.app) {
				return fmt.Errorf("%s in a rule for %s", l.buf, r.proto.app)
			}
			continue
		}
		payload = true
		for _, it := range l.items {
			c := it.content
			anchored = anchored || c != nil && (c.depth >= 0 || c.offset > 0)
		}
	}
	if r.appEvents() {
		f.views |= 1 << ViewTransaction
	}
	if f.views != 0 {
		if b.needPkt {
			return errors.New("packet keyword together with a transaction buffer")
		}
		return nil
	}
	streamOnly := r.proto.streamOnly || f.onlyStream
	packetOnly := r.proto.packetOnly || f.noStream || b.needPkt
	if streamOnly && packetOnly {
		return errors.New("asks for packets only and for the stream only")
	}
	f.tcpStreamOnly = false
	switch {
	case !payload || packetOnly || r.proto.ip&ipTCP == 0:
		f.views = 1 << ViewPacket
	case streamOnly:
		f.views = 1 << ViewStream
	case anchored:
		f.views = 1<<ViewPacket | 1<<ViewStream
	case r.proto.ip == ipTCP:
		f.views = 1 << ViewStream
	default:
		// TCP on the stream, the other protocols on packets.
		f.views = 1<<ViewPacket | 1<<ViewStream
		f.tcpStreamOnly = true
	}
	return nil
}
